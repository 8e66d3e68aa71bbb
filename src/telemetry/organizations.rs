//! What is shown of the organizations that are made from one template: thousands of them must not become thousands of labels,
//! rows and lines. The template stands for all of them, and those in trouble are shown beside it, up to a bound.

use std::collections::BTreeMap;

use super::{ComponentKind, ComponentReporter, ComponentState};

/// At most so many of a template's organizations are shown at a time.
const MOST_SHOWN: usize = 20;

/// What is shown of these components.
pub(super) fn shown(components: Vec<ComponentReporter>) -> Vec<ComponentReporter> {
    let mut shown = Vec::new();
    let mut templates: BTreeMap<(ComponentKind, String), Vec<ComponentReporter>> = BTreeMap::new();
    for component in components {
        match component.template() {
            Some(template) => {
                templates.entry((component.kind(), template.to_owned())).or_default().push(component);
            }
            None => shown.push(component),
        }
    }
    for ((kind, template), organizations) in templates.into_iter().rev() {
        let is_it = |component: &ComponentReporter| component.kind() == kind && component.name() == template;
        // A sink with a destination of its own is one of them.
        let own = shown.iter().position(is_it);
        let at = own.unwrap_or_else(|| shown.partition_point(|component| component.kind() < kind));
        let own = own.map(|own| shown.remove(own));
        let mut some = vec![all(kind, &template, own.iter().chain(&organizations))];
        some.extend(troubled(organizations));
        shown.splice(at..at, some);
    }
    shown
}

/// The worst first: those that have stopped, then those that wait, the longest first. What another replica reads isn't in trouble.
fn troubled(organizations: Vec<ComponentReporter>) -> impl Iterator<Item = ComponentReporter> {
    let rank = |component: &ComponentReporter| match component.status().get() {
        ComponentState::Waiting { .. } if component.is_elsewhere() => None,
        ComponentState::Failed { .. } => Some((0, None)),
        ComponentState::Waiting { since, .. } => Some((1, Some(since))),
        ComponentState::Starting | ComponentState::Working | ComponentState::Finished => None,
    };
    let ranked = organizations.into_iter().filter_map(|component| Some((rank(&component)?, component)));
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(MOST_SHOWN).map(|(_, component)| component)
}

/// One component that stands for all of them.
fn all<'c>(
    kind: ComponentKind,
    template: &str,
    organizations: impl Iterator<Item = &'c ComponentReporter> + Clone,
) -> ComponentReporter {
    let clock = organizations.clone().next().map(ComponentReporter::clock).unwrap_or_default();
    let all = ComponentReporter::new(kind, template, clock);
    let [mut count, mut starting, mut working, mut waiting, mut failed, mut elsewhere] = [0; 6];
    let (mut since, mut next_try) = (None, None);
    for organization in organizations {
        count += 1;
        all.numbers().absorb(organization.numbers());
        match organization.status().get() {
            ComponentState::Starting => starting += 1,
            ComponentState::Working => working += 1,
            ComponentState::Finished => {}
            ComponentState::Failed { .. } => failed += 1,
            ComponentState::Waiting { .. } if organization.is_elsewhere() => elsewhere += 1,
            ComponentState::Waiting { since: one, next_try: try_at, .. } => {
                waiting += 1;
                since = Some(since.map_or(one, |earliest: jiff::Timestamp| earliest.min(one)));
                next_try = next_try.or(try_at);
            }
        }
    }
    let others = if elsewhere > 0 { format!("; {elsewhere} are read by other replicas") } else { String::new() };
    let what = if kind == ComponentKind::Sink { "destinations" } else { "organizations" };
    let words = format!("of {count} {what} {waiting} wait and {failed} have stopped{others}");
    all.status().set(match since {
        Some(since) => ComponentState::Waiting { reason: words, since, next_try },
        None if starting > 0 => ComponentState::Starting,
        None if working == 0 && failed == 0 && elsewhere == 0 => ComponentState::Finished,
        None if failed > 0 => ComponentState::Failed { reason: words },
        None => ComponentState::Working,
    });
    all
}

#[cfg(test)]
mod tests {
    use super::super::{Telemetry, TokenState, metrics};
    use super::*;

    #[test]
    fn destinations_are_shown_with_the_sink_that_they_are_of_where_sinks_are() {
        let telemetry = Telemetry::new();
        let at = jiff::Timestamp::from_second(5_000).expect("a time");
        telemetry.component(ComponentKind::Source, "nordpass").status().working();
        telemetry.component(ComponentKind::Sink, "archive").status().working();
        for name in ["sentinel", "sentinel@acme", "sentinel@beta"] {
            let sink = telemetry.component(ComponentKind::Sink, name);
            sink.add(&metrics::SENT, 5);
            if name == "sentinel" {
                sink.status().working();
            } else {
                sink.set_template("sentinel");
                sink.status().waiting("403", at);
            }
        }
        let shown = telemetry.shown();
        let names: Vec<&str> = shown.iter().map(ComponentReporter::name).collect();
        assert_eq!(names, ["nordpass", "archive", "sentinel", "sentinel@acme", "sentinel@beta"]);
        assert_eq!(shown[2].numbers().totals().sent, 15);
        assert_eq!(shown[2].status().get().reason(), Some("of 3 destinations 2 wait and 0 have stopped"));
    }

    /// On a replica that reads a half of them, the other half would be in trouble for good.
    #[test]
    fn what_another_replica_reads_is_not_in_trouble() {
        let telemetry = Telemetry::new();
        let at = jiff::Timestamp::from_second(5_000).expect("a time");
        for number in 0..4 {
            let organization = telemetry.component(ComponentKind::Source, &format!("nordpass@o{number}"));
            organization.set_template("nordpass");
            organization.set_type("nordpass");
            organization.set(&metrics::LEASE_HELD, f64::from(u8::from(number < 2)));
            organization.set(&metrics::CURSOR_SECONDS, if number < 2 { 4_990.0 } else { 7.0 });
            if number < 2 {
                organization.status().working();
            } else {
                organization.status().waiting("held by another process", at);
            }
        }
        let shown = telemetry.shown();
        assert_eq!((shown.len(), shown[0].status().get()), (1, ComponentState::Working));
        assert_eq!(shown[0].numbers().cursor(), Some(4_990.0), "not where they were when they went elsewhere");
        let own = telemetry.component(ComponentKind::Source, "nordpass@o0");
        own.status().waiting("token refused", at);
        let shown = telemetry.shown();
        let reason = "of 4 organizations 1 wait and 0 have stopped; 2 are read by other replicas";
        assert_eq!((shown.len(), shown[0].status().get().reason()), (2, Some(reason)));
    }

    #[test]
    fn thousands_of_organizations_are_few_rows() {
        let telemetry = Telemetry::new();
        telemetry.component(ComponentKind::Sink, "sentinel").status().working();
        let at = |second: i64| jiff::Timestamp::from_second(second).expect("a time");
        for number in 0..2_000_u32 {
            let organization = telemetry.component(ComponentKind::Source, &format!("nordpass@o{number}"));
            organization.set_template("nordpass");
            organization.set_type("nordpass");
            organization.add(&metrics::RECEIVED, 2);
            organization.add_labelled(&metrics::REQUESTS, "200", 1);
            organization.set(&metrics::CURSOR_SECONDS, f64::from(1_000 + number));
            organization.observe(&metrics::REQUEST_SECONDS, 1.0);
            organization.status().working();
            if number % 10 == 3 {
                organization.status().waiting("token refused", at(i64::from(5_000 - number)));
                organization.token(TokenState::Refused);
            }
            if number == 1_500 {
                organization.status().stopped(Some("another organization".into()));
            }
        }
        let shown = telemetry.shown();
        let names: Vec<&str> = shown.iter().map(ComponentReporter::name).collect();
        assert_eq!((names.len(), &names[..3]), (22, &["nordpass", "nordpass@o1500", "nordpass@o1993"][..]));
        let (all, lately) = (shown[0].numbers().totals(), shown[0].numbers().lately());
        assert_eq!((all.received, all.requests, lately.token), (4_000, 2_000, Some(TokenState::Refused)));
        assert_eq!(shown[0].numbers().cursor(), Some(1_000.0), "the one that is furthest behind");
        let state = shown[0].status().get();
        assert_eq!(state.reason(), Some("of 2000 organizations 200 wait and 1 have stopped"));
        let metrics = telemetry.render_at(at(10_000));
        let labels: std::collections::BTreeSet<&str> =
            metrics.split("component=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(labels.len() <= 22, "{}", labels.len());
        assert!(
            metrics.contains("sentinel_request_seconds_count{component_kind=\"source\",component=\"nordpass\"} 2000")
        );
    }
}
