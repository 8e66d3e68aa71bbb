//! The transforms' part of a pipeline file.

use std::fmt::Write as _;

use super::change::{KEY, OnError};
use super::conditions::Conditions;
use super::{Node, Shape, Step, silence};

impl Shape {
    /// The transforms' tables, and the sink of what nobody wants.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            match silence::before(node) {
                Some(nodes) => nodes.iter().for_each(|node| write(&mut text, node)),
                None => write(&mut text, node),
            }
        }
        if !self.blackhole.is_empty() {
            let _ = write!(text, "\n[sinks.unwanted]\ntype = \"blackhole\"\ninputs = {:?}\n", self.blackhole);
        }
        text
    }
}

fn write(text: &mut String, node: &Node) {
    let Node { name, inputs, step } = node;
    let kind = match step {
        Step::Filter(_) => "filter",
        Step::Route { .. } => "route",
        Step::Modify(_) => "modify",
        Step::Pseudonymize(_) => "pseudonymize",
        Step::Asim => "asim",
        Step::EventLog => "event_log",
    };
    let _ = write!(text, "\n[transforms.{name}]\ntype = \"{kind}\"\ninputs = {inputs:?}\n");
    match step {
        Step::Asim | Step::EventLog => {}
        Step::Filter(list) => conditions(text, list),
        Step::Route { routes, all } => {
            let _ = writeln!(text, "all = {all}");
            for (route, list) in routes {
                let _ = writeln!(text, "[transforms.{name}.routes.{route}]");
                conditions(text, list);
            }
        }
        Step::Modify(modify) => {
            let on_error = match modify.on_error {
                OnError::DeadLetter => "dead_letter",
                OnError::Keep => "keep",
                OnError::Drop => "drop",
            };
            let _ = writeln!(text, "on_error = \"{on_error}\"\nremove = {:?}", modify.remove);
            for (table, pairs) in [("set", &modify.set), ("rename", &modify.rename)] {
                let _ = writeln!(text, "[transforms.{name}.{table}]");
                for (field, value) in pairs {
                    let _ = writeln!(text, "{field:?} = {value:?}");
                }
            }
        }
        Step::Pseudonymize(hide) => {
            let method = if hide.mask { "mask" } else { "hmac" };
            let _ = writeln!(text, "fields = {:?}\nmethod = \"{method}\"\nkey = \"{KEY}\"", hide.fields);
        }
    }
}

fn conditions(text: &mut String, conditions: &Conditions) {
    for list in &conditions.0 {
        let word = if list.exclude { "exclude" } else { "include" };
        let _ = writeln!(text, "{word}{} = {:?}", list.subject.suffix(), list.patterns);
    }
}
