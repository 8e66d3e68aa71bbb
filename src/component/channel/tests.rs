//! What each reader gets, and what is abandoned.

use super::*;
use crate::event::{AckOutcome, Origin, Text, parse_event};
use crate::event::{AckReceiver, EventId, Record, Span};

fn chunk() -> (Chunk, AckReceiver) {
    let text = Text::from("{}".to_owned());
    let fields = parse_event(&text, &text).expect("an object");
    let record = Record { id: EventId(1), time: 0, organization: "".into(), body: Span::new(0, 2) };
    let origin = Origin { source: "s".into(), run: 0, sequence: 0 };
    Chunk::of_events(text, vec![record], vec![fields], origin, None)
}

#[tokio::test]
async fn every_required_reader_has_to_acknowledge() {
    let ((first, mut first_in), (second, mut second_in)) = (Input::new(), Input::new());
    let output = Output::new(vec![first, second.input(3)], ComponentReporter::detached());
    let (chunk, mut ack_receiver) = chunk();
    output.send(chunk).await.expect("open");
    first_in.receive().await.expect("a chunk").1.ack.done();
    assert!(futures::poll!(&mut ack_receiver).is_pending());
    let (index, chunk) = second_in.receive().await.expect("a chunk");
    assert_eq!(index, 3);
    chunk.ack.done();
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test]
async fn a_full_optional_reader_holds_nobody_up_and_its_loss_is_not_waited_for() {
    let ((required, mut required_in), (optional, optional_in)) = (Input::new(), Input::with_capacity(1));
    let output = Output::new(vec![optional.optional(), required], ComponentReporter::detached());
    for _ in 0..3 {
        let (chunk, ack_receiver) = chunk();
        output.send(chunk).await.expect("open");
        required_in.receive().await.expect("a chunk").1.ack.done();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }
    assert_eq!(optional_in.waiting(), 1);
}

#[tokio::test]
async fn an_output_without_a_reader_delivers_nothing() {
    let (chunk, ack_receiver) = chunk();
    assert_eq!(Output::new(Vec::new(), ComponentReporter::detached()).send(chunk).await, Err(Closed));
    assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
}

#[tokio::test]
async fn a_closed_reader_abandons_the_chunk() {
    let (sender, input) = Input::new();
    drop(input);
    let (chunk, ack_receiver) = chunk();
    assert_eq!(Output::new(vec![sender], ComponentReporter::detached()).send(chunk).await, Err(Closed));
    assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
}

#[tokio::test]
async fn replaced_readers_get_what_is_sent_from_then_on_and_the_old_ones_see_the_end() {
    let ((old, mut old_in), (new, mut new_in)) = (Input::new(), Input::new());
    let output = Output::new(vec![old], ComponentReporter::detached());
    let (handle, replaced) = (output.handle(), output.replaced());
    let ((first, first_ack), (second, second_ack)) = (chunk(), chunk());
    output.send(first).await.expect("open");
    handle.set_readers(vec![new]);
    replaced.await;
    output.clone().send(second).await.expect("open");
    old_in.receive().await.expect("what was sent before").1.ack.done();
    assert!(old_in.receive().await.is_none(), "its senders are gone");
    new_in.receive().await.expect("what was sent after").1.ack.done();
    assert_eq!((first_ack.await, second_ack.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    drop(output);
    assert!(new_in.receive().await.is_none(), "the handle holds no reader");
    handle.set_readers(Vec::new());
}

/// Else the sink that replaces one that was stuck would never get anything: its source would take this for the end.
#[tokio::test]
async fn a_replaced_reader_that_is_gone_abandons_the_chunk_and_closes_nothing() {
    let ((old, old_in), (new, mut new_in)) = (Input::with_capacity(1), Input::new());
    let output = Output::new(vec![old], ComponentReporter::detached());
    let ((first, first_ack), (second, second_ack), (third, _third_ack)) = (chunk(), chunk(), chunk());
    output.send(first).await.expect("open");
    let mut waiting = Box::pin(output.send(second));
    assert!(futures::poll!(&mut waiting).is_pending(), "it is full");
    output.handle().set_readers(vec![new]);
    drop(old_in);
    assert_eq!(waiting.await, Ok(()));
    assert_eq!((first_ack.await, second_ack.await), (AckOutcome::Abandoned, AckOutcome::Abandoned));
    output.send(third).await.expect("open");
    assert!(new_in.receive().await.is_some());
}

fn of(id: &str, has_destination: bool) -> Arc<Organization> {
    Arc::new(Organization { id: id.into(), has_destination, ..Organization::default() })
}

#[tokio::test]
async fn an_organizations_records_go_to_its_own_destination_and_to_no_other() {
    let ((shared, mut shared_in), (own, mut own_in), (all, mut all_in)) = (Input::new(), Input::new(), Input::new());
    let senders = vec![shared.taking(Takes::WithoutDestination), own.taking(Takes::Organization("a".into())), all];
    let output = Output::new(senders, ComponentReporter::detached());
    for (organization, wanted) in [
        (Some(of("a", true)), [false, true, true]),
        (Some(of("b", false)), [true, false, true]),
        (None, [true, false, true]),
    ] {
        let (mut chunk, ack_receiver) = chunk();
        chunk.organization = organization;
        output.send(chunk).await.expect("open");
        let got = [&mut shared_in, &mut own_in, &mut all_in].map(Input::try_receive);
        assert_eq!(got.each_ref().map(Option::is_some), wanted);
        got.into_iter().flatten().for_each(|(_, chunk)| chunk.ack.done());
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }
}

/// A reload has removed the destination while its chunks were on their way.
#[tokio::test]
async fn records_whose_destination_is_gone_are_abandoned_and_close_nothing() {
    let (shared, mut shared_in) = Input::new();
    let output = Output::new(vec![shared.taking(Takes::WithoutDestination)], ComponentReporter::detached());
    let (mut chunk, ack_receiver) = chunk();
    chunk.organization = Some(of("a", true));
    assert_eq!(output.send(chunk).await, Ok(()));
    assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
    assert!(shared_in.try_receive().is_none());
}

#[tokio::test]
async fn what_waits_for_its_first_chunk_gets_it_first() {
    let (sender, mut input) = Input::new();
    let output = Output::new(vec![sender], ComponentReporter::detached());
    for _ in 0..2 {
        output.send(chunk().0).await.expect("open");
    }
    assert!(input.begins().await && input.begins().await);
    assert_eq!(input.waiting(), 2);
    assert!(input.receive().await.is_some() && input.try_receive().is_some() && input.try_receive().is_none());
    drop(output);
    assert!(!input.begins().await && input.receive().await.is_none());
}
