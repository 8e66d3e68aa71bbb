//! Which pipeline a seed has.

use super::change::{Hide, Modify, OnError};
use super::conditions::{Conditions, List, Subject};
use super::fate::Kind;
use super::{Destination, Node, Shape, Step};
use crate::plan::Drawer;

/// Where the streams part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    Nowhere,
    Events,
    Rows,
}

const TABLES: [&str; 3] = ["audit_event", "authentication", "user_management"];

impl Shape {
    /// Draws one. `second`: the official connector's table is a destination; `archive`: there is one.
    pub fn drawn(draw: &mut Drawer, second: bool, archive: bool) -> Self {
        let mut shape = Self::default();
        let parting = draw.of(&[Parting::Nowhere, Parting::Events, Parting::Events, Parting::Rows]);
        let steps = draw.of(&[0, 1, 1, 2, 3]);
        let mut at = vec!["nordpass".to_owned()];
        for number in 1..=steps {
            at = shape.push(&format!("shape{number}"), at, one_step(draw, Kind::Event));
        }
        let shaped = at.clone();
        let (mut first, mut urgent) = (at, Vec::new());
        if parting == Parting::Events {
            (first, urgent) = shape.part(draw, "by", &first, &[""]);
        }
        shape.nodes.push(Node { name: "asim".to_owned(), inputs: first, step: Step::Asim });
        let mut rows = outputs("asim", &TABLES);
        // A pipeline without any shaping transform is another world's.
        let least = usize::from(steps == 0 && parting == Parting::Nowhere);
        for number in 1..=draw.of(&[0, 0, 1, 2]).max(least) {
            rows = shape.push(&format!("rows{number}"), rows, one_step(draw, Kind::Asim));
        }
        if parting == Parting::Rows {
            (rows, urgent) = shape.part(draw, "rows_by", &rows, &TABLES);
        } else if !urgent.is_empty() {
            shape.nodes.push(Node { name: "urgent_asim".to_owned(), inputs: urgent, step: Step::Asim });
            urgent = outputs("urgent_asim", &TABLES);
            if draw.chance(0.3) {
                urgent = shape.push("urgent_rows", urgent, one_step(draw, Kind::Asim));
            }
        }
        shape.read(Destination::Sentinel, rows);
        shape.read(Destination::Urgent, urgent);
        if second {
            let inputs = if draw.chance(0.5) { shaped.clone() } else { vec!["nordpass".to_owned()] };
            shape.nodes.push(Node { name: "event_log".to_owned(), inputs, step: Step::EventLog });
            let mut rows = vec!["event_log".to_owned()];
            if draw.chance(0.5) {
                rows = shape.push("official_rows", rows, one_step(draw, Kind::Official));
            }
            shape.read(Destination::Official, rows);
        }
        if archive {
            let output = if draw.chance(0.5) { shaped } else { vec!["nordpass".to_owned()] };
            shape.read(Destination::Archive, output);
        }
        shape
    }

    /// Adds a transform with one output for each input. Returns its outputs.
    fn push(&mut self, name: &str, inputs: Vec<String>, step: Step) -> Vec<String> {
        let table = |input: &String| match input.split_once('.') {
            Some((_, rest)) => format!("{name}.{}", rest.rsplit('.').next().unwrap_or(rest)),
            None => name.to_owned(),
        };
        let outputs = inputs.iter().map(table).collect();
        self.nodes.push(Node { name: name.to_owned(), inputs, step });
        outputs
    }

    fn read(&mut self, destination: Destination, outputs: Vec<String>) {
        self.readers.extend(outputs.into_iter().map(|output| (destination, output)));
    }

    /// Adds a route. Returns what goes to the first workspace, and what to the second. No record takes two ways to one
    /// destination: there it would be twice.
    fn part(
        &mut self,
        draw: &mut Drawer,
        name: &str,
        inputs: &[String],
        tables: &[&str],
    ) -> (Vec<String>, Vec<String>) {
        let conditions = |draw: &mut Drawer| {
            if draw.chance(0.5) {
                vec![include(Subject::Severities, draw.of(&[&["High", "Medium"], &["Low", "Informational"]]))]
            } else {
                vec![include(Subject::Groups, draw.of(&[&["admin"], &["vault"], &["admin", "login"]]))]
            }
        };
        let all = draw.chance(0.3);
        let one = ("one", Conditions(conditions(draw)));
        let mut two = ("two", Conditions(conditions(draw)));
        if draw.chance(0.5) {
            two.1.0.push(List { exclude: true, ..drawn_list(draw, Subject::Events) });
        }
        let ways = |own: &str| outputs(&format!("{name}.{own}"), tables);
        let (mut first, mut second) = (ways("one"), ways("two"));
        match draw.between(0, 3) {
            0 => self.blackhole.extend(ways("_unmatched")),
            1 => second.extend(ways("_unmatched")),
            _ => first.extend(ways("_unmatched")),
        }
        let routes = vec![one, two];
        self.nodes.push(Node { name: name.to_owned(), inputs: inputs.to_vec(), step: Step::Route { routes, all } });
        // One sink for all that is wanted, now and then, and the second workspace isn't there.
        if !all && draw.chance(0.3) {
            if draw.chance(0.5) {
                self.blackhole.append(&mut second);
            } else {
                first.append(&mut second);
            }
        }
        (first, second)
    }
}

/// The outputs of a transform of rows.
fn outputs(name: &str, tables: &[&str]) -> Vec<String> {
    tables.iter().map(|table| if table.is_empty() { name.to_owned() } else { format!("{name}.{table}") }).collect()
}

fn include(subject: Subject, patterns: &[&'static str]) -> List {
    List { exclude: false, subject, patterns: patterns.to_vec() }
}

fn one_step(draw: &mut Drawer, kind: Kind) -> Step {
    match draw.between(0, 2) {
        0 => {
            let mut lists: Vec<List> = Vec::new();
            for _ in 0..draw.size(1, 3) {
                let subject = draw.of(&[
                    Subject::Events,
                    Subject::Events,
                    Subject::Users,
                    Subject::Platforms,
                    Subject::Addresses,
                    Subject::Severities,
                    Subject::Groups,
                ]);
                let list = drawn_list(draw, subject);
                if !lists.iter().any(|other| (other.subject, other.exclude) == (list.subject, list.exclude)) {
                    lists.push(list);
                }
            }
            Step::Filter(Conditions(lists))
        }
        1 => Step::Modify(drawn_modify(draw, kind)),
        _ => Step::Pseudonymize(drawn_hide(draw, kind)),
    }
}

/// A setting of a filter. What leaves out nearly everything is left to few.
fn drawn_list(draw: &mut Drawer, subject: Subject) -> List {
    let (patterns, include): (&[&'static str], f64) = match subject {
        Subject::Events => (
            &["item_access.*", "*.user_*", "login.*", "*.item_viewed", "item_access.item_autofilled", "*s.*", "*.*"],
            0.2,
        ),
        Subject::Users => (&["a*", "*@EXAMPLE.com", "*.b*@*", "*7", "*-4*-a*", "*ą*"], 0.1),
        Subject::Platforms => (&["*OS", "windows", "* extension", "Web vault", "android"], 0.1),
        Subject::Addresses => {
            (&["192.0.2.0/24", "198.51.100.128/25", "203.0.113.0/26", "2001:db8::/32", "0.0.0.0/1", "128.0.0.0/2"], 0.1)
        }
        Subject::Severities => (&["High", "Low", "Medium", "Informational"], 0.3),
        Subject::Groups => (&["admin", "login", "vault"], 0.3),
    };
    let mut chosen: Vec<&'static str> = Vec::new();
    for _ in 0..draw.size(1, 3) {
        let pattern = draw.of(patterns);
        if !chosen.contains(&pattern) {
            chosen.push(pattern);
        }
    }
    let exclude = !draw.chance(include);
    if exclude {
        chosen.retain(|pattern| *pattern != "*.*");
    }
    if chosen.is_empty() {
        chosen.push("login.*");
    }
    List { exclude, subject, patterns: chosen }
}

/// One path of each group, so that none leads into another's.
fn drawn_modify(draw: &mut Drawer, kind: Kind) -> Modify {
    type Pairs = &'static [(&'static str, &'static str)];
    // What any record takes; what not every record takes; names; and what to remove.
    let (sets, doubtful, renames, removes): (Pairs, Pairs, Pairs, &'static [&'static str]) = match kind {
        Kind::Event => (
            &[
                ("metadata.tenant", "acme"),
                ("tenant.name", "{organization}"),
                ("metadata.at.site", "x-{organization}\"\\ ž"),
            ],
            &[
                ("metadata.ip_address.of", "x"),
                ("metadata.emails.of", "x"),
                ("metadata.role.of", "y"),
                ("metadata.previous.of", "z"),
            ],
            &[("metadata.platform", "metadata.client"), ("initiator", "metadata.by"), ("user.email", "user.mail")],
            &["metadata.items", "metadata.permission", "metadata.device_uuid", "metadata.nothing.here"],
        ),
        Kind::Asim => (
            &[
                ("AdditionalFields.Tenant", "acme"),
                ("AdditionalFields.at.site", "x-{organization}\"\\ ž"),
                ("ActorUserType", "Tested"),
            ],
            &[
                ("AdditionalFields.ip_address.of", "x"),
                ("AdditionalFields.emails.of", "x"),
                ("AdditionalFields.role.of", "y"),
            ],
            &[
                ("AdditionalFields.platform", "AdditionalFields.client"),
                ("AdditionalFields.items", "AdditionalFields.Things"),
            ],
            &["ActingAppName", "ActorScopeId", "AdditionalFields.device_uuid", "Nothing"],
        ),
        Kind::Official => (
            &[("metadata.tenant", "acme"), ("metadata.at.site", "x-{organization}\"\\ ž")],
            &[("metadata.ip_address.of", "x"), ("metadata.emails.of", "x"), ("metadata.role.of", "y")],
            &[("metadata.platform", "metadata.client"), ("metadata.items", "metadata.things")],
            &["metadata.device_uuid", "initiator"],
        ),
    };
    let mut modify = Modify {
        set: vec![draw.of(sets)],
        rename: Vec::new(),
        remove: Vec::new(),
        on_error: draw.of(&[OnError::DeadLetter, OnError::DeadLetter, OnError::Keep, OnError::Drop]),
    };
    if draw.chance(0.7) {
        modify.set.push(draw.of(doubtful));
    }
    if draw.chance(0.4) {
        modify.rename.push(draw.of(renames));
    }
    if draw.chance(0.5) {
        modify.remove.push(draw.of(removes));
    }
    if modify.rename.first().is_some_and(|(from, _)| modify.remove.contains(from)) {
        modify.remove.clear();
    }
    modify
}

fn drawn_hide(draw: &mut Drawer, kind: Kind) -> Hide {
    let all: &[&'static [&'static str]] = match kind {
        Kind::Event => &[
            &[
                "user.*",
                "initiator",
                "metadata.*email*",
                "metadata.*user_uuid*",
                "metadata.msp.*",
                "metadata.ip_address",
                "metadata.by",
            ],
            &["user.email", "metadata.emails"],
            &["user.uuid", "metadata.ip_address"],
            &["metadata.msp", "metadata.role.of", "metadata.minutes", "metadata.enabled", "metadata.previous.enabled"],
        ],
        Kind::Asim => &[
            &[
                "Actor*Username",
                "ActorUserId",
                "Target*Username",
                "TargetUserId",
                "AdditionalFields.*email*",
                "AdditionalFields.*user_uuid",
                "AdditionalFields.User.*",
                "AdditionalFields.Initiator",
                "AdditionalFields.*.user_*",
                "AdditionalFields.ip_address",
                "SrcIpAddr",
            ],
            &["ActorUsername", "AdditionalFields.emails"],
            &["SrcIpAddr", "AdditionalFields.ip_address"],
        ],
        Kind::Official => &[
            &["user_*", "initiator", "metadata.*email*", "metadata.*uuid*", "metadata.msp.*", "metadata.connector.*.*"],
            &["user_email"],
            &["metadata.ip_address"],
        ],
    };
    Hide { fields: draw.of(all), mask: draw.chance(0.3) }
}
