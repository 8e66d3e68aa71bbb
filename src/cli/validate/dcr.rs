//! `validate --dcr`: columns that Azure would drop, because the rule's stream doesn't declare them. It says nothing when it
//! does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::columns::columns;
use crate::cli::console::counted;
use crate::cli::error::{CommandError, CommandResult};
use crate::pipeline::Config;
use crate::settings::Diagnostic;
use crate::settings::nearest::{all_of, nearest};

/// More than any template has, in bytes.
const LONGEST: usize = 16 << 20;
/// Templates aren't nested deeper.
const DEEPEST: usize = 64;

/// The columns of each declared stream.
type Declarations = BTreeMap<String, BTreeSet<String>>;

/// Compares what the pipeline's rows have with what the rule in the file declares. Returns what is wrong, or a line that says
/// what was compared.
pub(super) fn compare(config: &Config, path: &Path) -> CommandResult<Result<String, Vec<Diagnostic>>> {
    let declared = read(path)?;
    let mut wrong = Vec::new();
    let (mut streams, mut compared) = (0, 0);
    for (stream, columns) in columns(config) {
        streams += 1;
        if stream.name.is_empty() {
            let message = format!("sink {}: the name of a stream isn't set", stream.sink);
            wrong.push(Diagnostic::error(message, "set its variable, in the environment or with --env-file"));
            continue;
        }
        let Some(declared) = declared.get(&stream.name) else {
            let hint = match nearest(&stream.name, declared.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it declares {}", all_of(declared.keys().map(String::as_str))),
            };
            let message =
                format!("sink {}: {} doesn't declare the stream {}", stream.sink, path.display(), stream.name);
            wrong.push(Diagnostic::error(message, hint));
            continue;
        };
        compared += columns.len() as u64;
        let undeclared: Vec<&str> =
            columns.iter().filter(|column| !declared.contains(*column)).map(String::as_str).collect();
        if !undeclared.is_empty() {
            let (these, them) = if undeclared.len() == 1 { ("this column", "it") } else { ("these columns", "them") };
            let message = format!(
                "sink {}: the stream {} doesn't declare {}: Azure drops {these} without an error",
                stream.sink,
                stream.name,
                all_of(undeclared.iter().copied()),
            );
            let near = undeclared.iter().find_map(|column| nearest(column, declared.iter().map(String::as_str)));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`? Otherwise declare {them} in the rule and its table"),
                None => format!("declare {them} in the rule and its table, or remove {them} from the rows"),
            };
            wrong.push(Diagnostic::error(message, hint));
        }
    }
    if wrong.is_empty() {
        let (columns, streams) = (counted(compared, "column"), counted(streams, "stream"));
        return Ok(Ok(format!("{}: {columns} of {streams} are declared", path.display())));
    }
    Ok(Err(wrong))
}

fn read(path: &Path) -> CommandResult<Declarations> {
    let unusable = |what: String| {
        let hint = "use the rule's JSON view, an ARM template, or `az monitor data-collection rule show`";
        CommandError::usage(format!("{}: {what}", path.display()), hint)
    };
    let bytes = nordpass_env::read_bounded(path, LONGEST).map_err(|error| unusable(error.to_string()))?;
    // PowerShell writes a byte order mark.
    let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let value: Value = serde_json::from_slice(json)
        .map_err(|error| unusable(format!("this isn't JSON (line {}, column {})", error.line(), error.column())))?;
    let mut declarations = Declarations::new();
    collect(&value, 0, &mut declarations).map_err(unusable)?;
    if declarations.is_empty() {
        return Err(unusable("it has no `streamDeclarations`".to_owned()));
    }
    Ok(declarations)
}

/// Finds `streamDeclarations` wherever the kind of file has them: in `properties`, in a template's resources, at the top.
fn collect(value: &Value, depth: usize, found: &mut Declarations) -> Result<(), String> {
    if depth > DEEPEST {
        return Ok(());
    }
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value.as_object().filter(|_| key == "streamDeclarations") {
                    Some(streams) => {
                        for (stream, declaration) in streams {
                            let columns = columns_of(declaration);
                            if found.insert(stream.clone(), columns.clone()).is_some_and(|other| other != columns) {
                                return Err(format!("two rules declare {stream} differently: use a file of one rule"));
                            }
                        }
                    }
                    None => collect(value, depth + 1, found)?,
                }
            }
        }
        Value::Array(values) => values.iter().try_for_each(|value| collect(value, depth + 1, found))?,
        _ => {}
    }
    Ok(())
}

fn columns_of(declaration: &Value) -> BTreeSet<String> {
    let columns = declaration["columns"].as_array().into_iter().flatten();
    columns.filter_map(|column| column["name"].as_str()).map(str::to_owned).collect()
}
