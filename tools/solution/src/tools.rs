//! The tools that this crate runs, as [`tools_common::install`] installs them.

use std::path::PathBuf;

use tools_common::install::{node, python, system};

/// Installs Python with the executor of KQL.
pub fn kql_python() -> Result<PathBuf, String> {
    Ok(python("solution-python", "solution/tests/requirements.txt", "the executor of KQL")?.join("python"))
}

/// Installs Microsoft's KQL parser. Returns its `node_modules`.
pub fn kql_parser() -> Result<PathBuf, String> {
    node("solution-node", "solution/tests/package.json", "Microsoft's KQL parser")
}

/// Installs the programs that check `deploy/`. Returns their folder.
pub fn deploy_checks() -> Result<PathBuf, String> {
    python("deploy", "deploy/checks/requirements.txt", "checkov, hadolint and kubernetes-validate")
}

/// Installs Chromium, which draws the preview.
pub fn chromium() -> Result<&'static str, String> {
    system("chromium", &["chromium", "fonts-open-sans"])?;
    Ok("chromium")
}

/// Installs Vega-Lite and Vega, which draw the preview's charts. Returns their `node_modules`.
pub fn vega() -> Result<PathBuf, String> {
    node("preview", "tools/solution/src/preview/package.json", "Vega-Lite")
}
