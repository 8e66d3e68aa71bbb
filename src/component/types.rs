//! What the pipeline file can name.

use crate::settings::Field;

/// A type of component: what stands behind `type = "…"`.
#[derive(Debug)]
pub struct ComponentType {
    /// The word in the pipeline file.
    pub name: &'static str,
    /// One paragraph for the reference page.
    pub doc: &'static str,
    /// Its fields, without `type`, `inputs` and `required`, which all components of a kind share.
    pub fields: &'static [Field],
    /// The names of a transform's outputs; `[""]` where there is just one, addressed by the transform's own name.
    pub outputs: &'static [&'static str],
}
