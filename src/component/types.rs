//! What `type = "…"` names: one value for each type of component, with its name, its fields and its constructor.
//!
//! `sources`, `transforms` and `sinks` list these values, each once.

use std::{any::Any, fmt::Debug, sync::Arc};

use futures::future::{BoxFuture, ready};
use nordpass_env::Env;

use super::{ComponentError, Context, OrganizationAccess, Resend, Sink, Source, SourceKey, Transform};
use crate::event::Organization;
use crate::settings::{Field, Section};
use crate::telemetry::{ComponentReporter, Telemetry};

/// A type of component: what a pipeline file and the reference page need to know of it, and how its table is read.
#[derive(Debug)]
pub struct ComponentType {
    /// The word in the pipeline file.
    pub name: &'static str,
    /// One paragraph for the reference page.
    pub doc: &'static str,
    /// Its fields, without `type`, `inputs` and `required`, which all components of a kind share.
    pub fields: &'static [Field],
    /// Its outputs. A sink has none.
    pub outputs: Outputs,
    /// What its outputs hold.
    pub records: Records,
    /// Reads a component's table. What is wrong is recorded in the section.
    pub read: ReadSettings,
}

/// The outputs of a type of component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// These; `[""]` for one that is addressed by the component's own name.
    Named(&'static [&'static str]),
    /// One for each table of rows that it reads, named as the output that it reads is; one without a name for events. So
    /// rows of two tables never mix.
    OfInputs,
    /// One for each key of the component's table `field`, then the one named `rest`; for rows, those of each table:
    /// `KEY.audit_event`.
    OfField {
        /// A field of the kind [`Kind::NamedTables`](crate::settings::Kind::NamedTables).
        field: &'static str,
        /// The output of what goes to none of the others.
        rest: &'static str,
    },
}

impl Outputs {
    /// One output that is addressed by the component's own name.
    pub const ONE: Self = Self::Named(&[""]);
    /// A sink has none.
    pub const NONE: Self = Self::Named(&[]);
}

/// What the chunks of an output hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// NordPass events, which transforms and sinks read.
    Events,
    /// Rows of a table, which sinks and shaping transforms read.
    Rows,
    /// What its inputs hold: a transform that shapes events and rows alike.
    AsInputs,
}

/// Reads a component's table. The variant is the kind of component.
#[derive(Clone, Copy, Debug)]
pub enum ReadSettings {
    /// Reads a source's table.
    Source(fn(&mut Section) -> Arc<dyn SourceSettings>),
    /// Reads a transform's table.
    Transform(fn(&mut Section) -> Arc<dyn TransformSettings>),
    /// Reads a sink's table, given the names in its `inputs`.
    Sink(fn(&mut Section, &[String]) -> Arc<dyn SinkSettings>),
}

/// Lists the modules of a folder that hold a component each, and their types as `TYPES`: one line for each component. One of
/// another kind doesn't compile.
///
/// `rustfmt` doesn't look into macros for modules, so `cargo xtask fmt` formats every file of the repository.
macro_rules! components {
    ($kind:ident: $($module:ident),+ $(,)?) => {
        $(pub mod $module;)+
        $(const _: () = assert!(matches!($module::TYPE.read, $crate::component::ReadSettings::$kind(..)));)+

        /// All types, in the order of the reference page.
        pub static TYPES: &[&$crate::component::ComponentType] = &[$(&$module::TYPE),+];
    };
}
pub(crate) use components;

/// The [`SourceSettings::exclusive_resource`] of a source that reads standard input.
pub const STANDARD_INPUT: &str = "standard input";

/// The checked settings of a source.
pub trait SourceSettings: Any + Debug + Send + Sync {
    /// Makes the source. `telemetry` is the whole set's, for the one source that reports about it.
    fn build(&self, telemetry: &Telemetry) -> Box<dyn Source>;

    /// What no other component of the set may use, in words.
    fn exclusive_resource(&self) -> Option<String> {
        None
    }

    /// What the state of a source with this name is known by, where it keeps one.
    fn state_key(&self, name: &str) -> Option<SourceKey> {
        let _ = name;
        None
    }

    /// The same source for one organization, where these settings are the template of each.
    fn for_organization(&self, access: &OrganizationAccess) -> Option<Arc<dyn SourceSettings>> {
        let _ = access;
        None
    }

    /// The organization of the organizations file that it reads, if it reads one.
    fn organization(&self) -> Option<&Arc<Organization>> {
        None
    }

    /// Whether it can go back to what wasn't acknowledged and read it again. A reload drops nothing of a source that can't.
    fn can_go_back(&self) -> bool {
        self.state_key("").is_some()
    }

    /// Checks what it needs of this machine, as it will when it runs, and changes nothing.
    fn check<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<(), ComponentError>> {
        let _ = env;
        Box::pin(ready(Ok(())))
    }

    /// The patterns of the files that it reads.
    fn reads(&self) -> &[String] {
        &[]
    }

    /// The columns of its rows, for a source of rows.
    fn columns(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Whether it can go on from the official connector's cursor.
    fn can_take_over(&self) -> bool {
        false
    }

    /// Tries the token and the endpoint with one request (`validate --connect`). Returns in words what works, or what
    /// doesn't and what to do.
    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        let _ = env;
        nothing_to_try()
    }
}

/// The checked settings of a transform.
pub trait TransformSettings: Any + Debug + Send + Sync {
    /// Makes the transform.
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform>;
}

/// The checked settings of a sink.
pub trait SinkSettings: Any + Debug + Send + Sync {
    /// Opens the sink, before any source runs.
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>>;

    /// Checks what it needs of this machine, as it will when it is opened, and changes nothing.
    fn check<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<(), ComponentError>> {
        let _ = env;
        Box::pin(ready(Ok(())))
    }

    /// What no other component of the set may use, in words: the files that it writes.
    fn exclusive_resource(&self) -> Option<String> {
        None
    }

    /// The patterns of the files that it writes.
    fn writes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The stream of each of its inputs, where it writes to streams of tables: what gets there is billed.
    fn streams(&self) -> &[String] {
        &[]
    }

    /// The keys of an organization's `destination`, where a sink of this type can have one for each. Those of kind `Secret`, and
    /// those that end in `_file`, name files in `secrets_dir`; `endpoint` is one of the allowed ones.
    fn destination_fields(&self) -> &'static [Field] {
        &[]
    }

    /// The same sink with an organization's own destination, read from its table.
    fn for_destination(&self, destination: &mut Section) -> Option<Arc<dyn SinkSettings>> {
        let _ = destination;
        None
    }

    /// What whoever checks a pipeline file should know about how it acknowledges, where that isn't the destination's word.
    fn remark(&self) -> Option<&'static str> {
        None
    }

    /// Tries the credential and the endpoint with one request (`validate --connect`). Returns in words what works, or
    /// what doesn't and what to do.
    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        let _ = env;
        nothing_to_try()
    }

    /// Opens what sends single records to this sink's destination again (`dead-letters resend`). The error is a sentence.
    fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        let _ = env;
        Err(format!("the sink `{name}` has no destination that takes single records again"))
    }
}

fn nothing_to_try() -> BoxFuture<'static, Result<String, String>> {
    Box::pin(ready(Ok("nothing to try".to_owned())))
}
