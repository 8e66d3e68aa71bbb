//! The actor and the target of an event.
//!
//! - MSP staff (`metadata.msp`) are the actor. The member on whose behalf they acted is the target, or is in
//!   `AdditionalFields.User` if the schema has no target columns or the target is another person.
//! - Otherwise the member (`user`) is the actor.
//! - Without a user (SCIM, scheduled work), the `initiator` is the actor.

use super::json;
use super::metadata::{Metadata, Msp};
use crate::event::{Event, Field, Shape, unescape};
use nordpass_env::catalogue::Target;

/// A user name and an id, each as the content of a JSON string; empty if unknown.
#[derive(Clone, Copy, Default)]
pub struct Person<'a> {
    pub name: &'a str,
    pub id: &'a str,
}

impl<'a> Person<'a> {
    fn is_known(&self) -> bool {
        !self.name.is_empty() || !self.id.is_empty()
    }

    /// The name to show. Without a name this is the id: detections group by name, and an empty one would group all these people
    /// together.
    pub fn shown_name(&self) -> &'a str {
        if self.name.is_empty() { self.id } else { self.name }
    }
}

/// The kind of actor.
#[derive(Clone, Copy)]
pub enum Actor<'a> {
    Member(Person<'a>),
    Msp(Person<'a>, Msp<'a>),
    /// The event's `initiator`: a service, or an e-mail address.
    Initiator(Person<'a>),
    Nobody,
}

impl<'a> Actor<'a> {
    /// The name and id.
    pub fn person(&self) -> Person<'a> {
        match *self {
            Self::Member(person) | Self::Msp(person, _) | Self::Initiator(person) => person,
            Self::Nobody => Person::default(),
        }
    }
}

/// The people of one event.
pub struct People<'a> {
    pub actor: Actor<'a>,
    pub target: Option<Person<'a>>,
    /// The target is a member, so its scope is the organization.
    pub target_is_member: bool,
    /// The member has no column: show it in `AdditionalFields`.
    pub member_aside: bool,
    /// The initiator has no column: show it in `AdditionalFields`.
    pub initiator_aside: bool,
}

impl<'a> People<'a> {
    /// Finds the people of an event.
    pub fn of(event: &Event<'a>, metadata: &Metadata<'a>, target: Target) -> Self {
        let fields = event.fields;
        let member = Person { name: scalar(event, &fields.user_email), id: scalar(event, &fields.user_uuid) };
        let initiator = Person { name: scalar(event, &fields.initiator), id: "" };
        let msp = metadata.msp;
        let actor = match msp {
            Some(msp) => Actor::Msp(Person { name: msp.email, id: msp.uuid }, msp),
            None if member.is_known() => Actor::Member(member),
            None if initiator.is_known() => Actor::Initiator(initiator),
            None => Actor::Nobody,
        };
        let named = Person {
            name: metadata.user_email.map(json::content).unwrap_or_default(),
            id: metadata.user_uuid.map(json::content).unwrap_or_default(),
        };
        let (target, target_is_member) = match target {
            Target::Itself if member.is_known() => (Some(member), true),
            // A log-in whose user is only the initiator.
            Target::Itself if is_address(initiator.name) => (Some(initiator), true),
            Target::Other | Target::Group if named.is_known() => (Some(named), false),
            Target::Other | Target::Group if msp.is_some() && member.is_known() => (Some(member), true),
            Target::None | Target::Itself | Target::Other | Target::Group => (None, false),
        };
        let odd = |field: &Field| field.shape == Shape::Other;
        Self {
            actor,
            target,
            target_is_member,
            member_aside: (msp.is_some() && !target_is_member && member.is_known())
                || odd(&fields.user_uuid)
                || odd(&fields.user_email),
            initiator_aside: !fields.initiator.is_blank()
                && (odd(&fields.initiator) || initiator.name != actor.person().name),
        }
    }
}

/// A string's content or a number's digits; empty for anything else.
pub fn scalar<'a>(event: &Event<'a>, field: &Field) -> &'a str {
    let text = event.text.at(field.span);
    match field.shape {
        Shape::Plain | Shape::Escaped => text,
        Shape::Other => json::content(text),
        Shape::Missing | Shape::Null => "",
    }
}

/// Whether a name looks like an e-mail address, so like a UPN.
pub fn is_address(name: &str) -> bool {
    memchr::memchr(b'@', name.as_bytes()).is_some() || (name.contains('\\') && unescape(name).contains('@'))
}
