use super::*;

/// Letters as they are read from a file with these ids and streams.
async fn letters(keys: &[(&str, &str)]) -> Vec<StoredDeadLetter> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("dead-letters")).expect("a folder");
    let line = |(id, stream): &(&str, &str)| {
        format!(
            "{{\"id\":\"{id}\",\"stream\":\"{stream}\",\"reason\":\"r\\u001b[31m\",\"time\":0,\"record\":{{\"a\":\"secret\"}}}}\n"
        )
    };
    std::fs::write(dir.path().join("dead-letters/s.ndjson"), keys.iter().map(line).collect::<String>())
        .expect("writes");
    DeadLetterFolder::new(crate::http::system_env().disk, dir.path()).list().await.expect("reads")
}

fn reason(result: CommandResult<Vec<&StoredDeadLetter>>) -> String {
    let error = result.expect_err("it isn't found");
    assert_eq!(error.code, crate::cli::USAGE);
    error.diagnostics.iter().map(crate::settings::Diagnostic::json).collect()
}

#[tokio::test]
async fn an_id_is_named_by_a_beginning_that_only_it_has() {
    let letters = letters(&[("aaaaaa11", "A"), ("aaaaaa22", "A"), ("aaaaaa22", "B")]).await;
    assert_eq!(select(&letters, "aaaaaa1").ok().map(|found| found.len()), Some(1));
    assert_eq!(select(&letters, "aaaaaa22").ok().map(|found| found.len()), Some(2), "one event, two streams");
    assert!(reason(select(&letters, "aaaaaa")).contains("several ids"));
    assert!(reason(select(&letters, "bbbbbb")).contains("dead-letters list"));
    assert!(reason(select(&letters, "aaaaa")).contains("too short"));
}

#[tokio::test]
async fn a_table_shows_no_record_and_commands_no_terminal() {
    let letters = letters(&[("aaaaaa11", "A")]).await;
    let table = table(&letters);
    assert!(
        table.contains("aaaaaa11") && table.contains("1970-01-01 00:00:00") && table.contains("r\\u001b"),
        "{table}"
    );
    assert!(!table.contains("secret") && !table.contains('\u{1b}'), "{table}");
    let json = lines(letters.iter().map(|letter| View { dead_letter: letter, record: None })).expect("JSON");
    assert!(!json.contains("secret") && !json.contains("record"), "{json}");
}

#[test]
fn files_and_ids_are_told_apart() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("abcdef12");
    std::fs::write(&file, "").expect("writes");
    let file = file.display().to_string();
    let (files, ids) = split(&["pipeline.toml".into(), file.clone(), "ABCdef12".into(), "typo.tml".into()]);
    assert_eq!(files, ["pipeline.toml".into(), PathBuf::from(file), "typo.tml".into()]);
    assert_eq!(ids, ["abcdef12"]);
}
