//! Hooks: real scripts that are told, fail, hang and lag behind.

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::time::timeout;
use vestibule_acme::{engine::Event, hooks::Hooks};
use vestibule_names::TenantId;

use crate::{executable, pattern};

fn event(number: usize) -> Event {
    let name = pattern(&format!("n{number}.example.com"));
    Event::Quarantined { tenant: TenantId(1), name, why: "it points elsewhere".to_owned() }
}

/// Runs hooks until a file says so, or too long.
async fn run_until(hooks: &Hooks, file: &Path, is_done: impl Fn(&str) -> bool) -> String {
    let read = || fs::read_to_string(file).unwrap_or_default();
    let waiting = async {
        while !is_done(&read()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = hooks.run() => unreachable!("hooks run for ever"),
        done = timeout(Duration::from_secs(30), waiting) => done.unwrap_or_else(|_| panic!("only this came: {}", read())),
    }
    read()
}

fn folder_with(body: &str) -> (TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let script = executable(folder.path(), "hook", &format!("cd {}\n{body}", folder.path().display()));
    (folder, vec![script.display().to_string(), "first argument".to_owned()])
}

#[tokio::test]
async fn hooks_are_told_one_after_the_other_in_order() {
    let (folder, command) = folder_with("echo \"$1|$2|$VESTIBULE_EVENT|$VESTIBULE_NAMES|$(cat)\" >> told");
    let second = vec![command[0].clone(), "second hook".to_owned()];
    let hooks = Hooks::new(vec![command, Vec::new(), second]);
    hooks.tell(&event(1));
    hooks.tell(&event(2));
    let told = run_until(&hooks, &folder.path().join("told"), |text| text.lines().count() == 4).await;
    let expected = |argument: &str, number: usize| {
        format!(
            "{argument}|quarantined|quarantined|n{number}.example.com|{{\"event\":\"quarantined\",\
             \"names\":[\"n{number}.example.com\"],\"tenant\":1,\"reason\":\"it points elsewhere\"}}\n"
        )
    };
    let lines = [("first argument", 1), ("second hook", 1), ("first argument", 2), ("second hook", 2)];
    assert_eq!(told, lines.map(|(argument, number)| expected(argument, number)).concat());
    assert_eq!(hooks.failures(), 0);
}

#[tokio::test]
async fn a_hook_that_fails_or_hangs_is_counted_and_the_next_event_is_told() {
    let (folder, command) = folder_with(
        "case $VESTIBULE_NAMES in n1*) exit 1;; n2*) sleep 600;; n3*) kill -9 $$;; esac; echo $VESTIBULE_NAMES >> told",
    );
    let nowhere = vec!["/nowhere/at-all".to_owned()];
    let hooks = Hooks::new(vec![nowhere, command]).with_timeout(Duration::from_secs(1));
    (1..=4).for_each(|number| hooks.tell(&event(number)));
    let told = run_until(&hooks, &folder.path().join("told"), |text| text.ends_with('\n')).await;
    assert_eq!(told, "n4.example.com\n");
    assert_eq!(hooks.failures(), 3 + 4);
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_events_of_a_tenant_are_dropped() {
    let (folder, command) = folder_with("echo $VESTIBULE_NAMES >> told");
    let hooks = Hooks::new(vec![command]);
    (0..300).for_each(|number| hooks.tell(&event(number)));
    assert_eq!(hooks.failures(), 300 - 64);
    let told = run_until(&hooks, &folder.path().join("told"), |text| text.contains("n299.")).await;
    assert!(told.starts_with("n236.example.com\n"), "{told}");
    assert_eq!(told.lines().count(), 64);
}

#[tokio::test]
async fn without_hooks_nothing_is_kept() {
    let hooks = Hooks::new(vec![Vec::new()]);
    (0..1000).for_each(|number| hooks.tell(&event(number)));
    assert_eq!(hooks.failures(), 0);
}

#[tokio::test]
async fn a_hook_ends_with_the_engine() {
    let (folder, command) = folder_with("sleep 600 & echo $! > pid; echo up > told; wait");
    let hooks = Hooks::new(vec![command]);
    hooks.tell(&event(1));
    run_until(&hooks, &folder.path().join("told"), |text| text.ends_with('\n')).await;
    drop(hooks);
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    assert!(crate::is_gone(pid.trim()).await, "what the hook started is still there");
}
