//! Brokers that the judge has to see through.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use nordpass_env::kafka::{
    Broker, BrokerError, Consumer, ConsumerSettings, Producer, ProducerRecord, ProducerSettings, RebalanceListener,
};

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untruth {
    /// A producer says that records are written when it has only taken them.
    Enqueued,
    /// Somebody commits for the group what isn't delivered.
    Ahead,
}

/// A broker whose producers answer before they have written.
pub struct Enqueuing(pub Arc<dyn Broker>);

impl Broker for Enqueuing {
    fn partitions<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<i32>, BrokerError>> {
        self.0.partitions(topic)
    }

    fn producer(&self, settings: ProducerSettings) -> BoxFuture<'_, Result<Arc<dyn Producer>, BrokerError>> {
        Box::pin(async move { Ok(Arc::new(Enqueue(self.0.producer(settings).await?)) as Arc<dyn Producer>) })
    }

    fn consumer(
        &self,
        settings: ConsumerSettings,
        listener: Arc<dyn RebalanceListener>,
    ) -> BoxFuture<'_, Result<Arc<dyn Consumer>, BrokerError>> {
        self.0.consumer(settings, listener)
    }
}

struct Enqueue(Arc<dyn Producer>);

impl Producer for Enqueue {
    fn send(&self, records: Vec<ProducerRecord>) -> BoxFuture<'_, Vec<Result<(), BrokerError>>> {
        let (producer, taken) = (self.0.clone(), records.len());
        // What goes wrong now, nobody hears.
        tokio::spawn(async move { producer.send(records).await });
        Box::pin(async move { vec![Ok(()); taken] })
    }

    fn close(&self, within: Duration) -> BoxFuture<'_, ()> {
        self.0.close(within)
    }
}
