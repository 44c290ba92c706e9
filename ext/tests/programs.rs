//! Programs that speak JSON lines: what they are asked, and every way in which they can fail.
#![allow(clippy::unwrap_used)]

mod kit;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use ext::Extensions;
use kit::{Directory, call, fault, is_alive, until};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_program_gets_the_arguments_after_its_name_and_its_result_comes_back() {
    let directory = Directory::new();
    directory.program("echo", r#"while :; do read_call; answer "$id" "$arguments"; done"#);
    let extensions = directory.extensions();
    let given = vec![json!("echo"), json!("a b"), json!(1.5), json!(null), json!({"k": ["ü", true]})];
    assert_eq!(extensions.call(given.clone()).await, Ok(Json::Array(given[1..].to_vec())));
    assert_eq!(call(&extensions, &["echo"]).await, Ok(json!([])));
}

#[tokio::test]
async fn a_program_starts_at_its_first_call_and_stays_running() {
    let directory = Directory::new();
    directory.program("pid", r#"echo $$ >>starts; while :; do read_call; answer "$id" $$; done"#);
    let extensions = directory.extensions();
    assert!(directory.lines("starts").is_empty());
    let first = call(&extensions, &["pid", "1"]).await.unwrap();
    let second = call(&extensions, &["pid", "2"]).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(directory.lines("starts").len(), 1);
}

#[tokio::test]
async fn calls_in_flight_may_be_answered_in_any_order() {
    let directory = Directory::new();
    let body = r#"
        read_call; id1=$id; arguments1=$arguments; read_call
        answer "$id" "$arguments"; answer "$id1" "$arguments1"; read_call"#;
    directory.program("pair", body);
    let extensions = directory.extensions();
    let (first, second) = tokio::join!(call(&extensions, &["pair", "1"]), call(&extensions, &["pair", "2"]));
    assert_eq!((first, second), (Ok(json!(["1"])), Ok(json!(["2"]))));
}

#[tokio::test]
async fn identical_calls_at_the_same_time_share_one_execution() {
    let directory = Directory::new();
    directory.program(
        "count",
        r#"while :; do read_call; echo call >>calls; wait_for go; answer "$id" "$(wc -l <calls)"; done"#,
    );
    let extensions = directory.extensions();
    let ask = || call(&extensions, &["count", "same"]);
    let go = async {
        directory.wait_for_lines("calls", 1).await;
        directory.file("go", "");
    };
    let (a, b, c, ()) = tokio::join!(ask(), ask(), ask(), go);
    assert_eq!([a, b, c], [Ok(json!(1)), Ok(json!(1)), Ok(json!(1))]);
    // One that comes later is a call of its own.
    assert_eq!(ask().await, Ok(json!(2)));
}

#[tokio::test]
async fn a_shared_execution_goes_on_when_the_caller_that_began_it_gives_up() {
    let directory = Directory::new();
    directory.program("slow", r#"while :; do read_call; echo call >>calls; wait_for go; answer "$id" 7; done"#);
    let extensions = Arc::new(directory.extensions());
    let first = tokio::spawn({
        let extensions = extensions.clone();
        async move { call(&extensions, &["slow"]).await }
    });
    directory.wait_for_lines("calls", 1).await;
    let second = call(&extensions, &["slow"]);
    let give_up = async {
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        directory.file("go", "");
    };
    assert_eq!(tokio::join!(second, give_up).0, Ok(json!(7)));
    assert_eq!(directory.lines("calls").len(), 1);
}

#[tokio::test]
async fn a_call_without_answer_times_out_and_the_program_is_left_running() {
    let directory = Directory::new();
    directory.program(
        "mute",
        r#"echo start >>starts; read_call; late=$id; while :; do read_call; answer "$late" '"late"'; answer "$id" 2; done"#,
    );
    let mut config = directory.config();
    config.timeout = Duration::from_millis(1500);
    let extensions = Extensions::new(config).unwrap();
    let (code, message) = fault(&extensions, &["mute", "1"]).await;
    assert_eq!(code, "timeout");
    assert_eq!(message, "Extension timed out: 'mute' did not answer within 1500 ms");
    // The late answer goes to nobody.
    assert_eq!(call(&extensions, &["mute", "2"]).await, Ok(json!(2)));
    assert_eq!(directory.lines("starts").len(), 1);
}

#[tokio::test]
async fn a_program_that_answers_nothing_any_more_is_replaced() {
    let directory = Directory::new();
    directory.program("hang", r#"echo $$ >>starts; trap '' TERM; while :; do sleep 1000; done"#);
    let mut config = directory.config();
    config.timeout = Duration::from_millis(100);
    let extensions = Extensions::new(config).unwrap();
    let _ = call(&extensions, &["hang"]).await;
    let first = directory.wait_for_lines("starts", 1).await;
    for _ in 0..4 {
        assert_eq!(fault(&extensions, &["hang"]).await.0, "timeout");
    }
    until(|| !is_alive(&first[0])).await;
    assert_eq!(fault(&extensions, &["hang"]).await.0, "timeout");
    directory.wait_for_lines("starts", 2).await;
}

#[tokio::test]
async fn a_crash_faults_the_running_calls_with_its_last_words_and_the_next_call_starts_it_again() {
    let directory = Directory::new();
    let body = r#"
        if [ -e crashed ]; then read_call; answer "$id" '"back"'; read_call; fi
        read_call; read_call; : >crashed; echo 'out of cheese' >&2; exit 3"#;
    directory.program("fragile", body);
    let extensions = directory.extensions();
    let (first, second) = tokio::join!(fault(&extensions, &["fragile", "1"]), fault(&extensions, &["fragile", "2"]));
    assert_eq!(first.0, "ext");
    assert_eq!(first.1, "extension 'fragile': its process ended (exit status: 3); it said last: out of cheese");
    assert_eq!(second, first);
    assert_eq!(call(&extensions, &["fragile", "1"]).await, Ok(json!("back")));
}

#[tokio::test]
async fn a_program_that_ends_after_its_answer_is_started_for_each_call() {
    let directory = Directory::new();
    directory.program("once", r#"read_call; answer "$id" "$arguments""#);
    let extensions = directory.extensions();
    for number in 0..12 {
        let number = number.to_string();
        // Its end may come between two calls or into the next one, which then fails as running calls do.
        let mut result = call(&extensions, &["once", &number]).await;
        for _ in 0..50 {
            if result.is_ok() {
                break;
            }
            result = call(&extensions, &["once", &number]).await;
        }
        assert_eq!(result, Ok(json!([number])));
    }
}

#[tokio::test]
async fn an_error_that_the_program_reports_names_the_fault() {
    let directory = Directory::new();
    directory.program(
        "refuse",
        r#"while :; do read_call; printf '{"id":%s,"error":{"name":"NoCustomer","message":"not in the books"}}\n' "$id"; done"#,
    );
    let extensions = directory.extensions();
    let fault = call(&extensions, &["refuse"]).await.unwrap_err();
    assert_eq!(fault.code, "ext.NoCustomer");
    assert_eq!(fault.message, "extension 'refuse': not in the books");
    let detail = json!({"name": "NoCustomer", "message": "not in the books", "extension": "refuse"});
    assert_eq!(fault.detail, Some(detail));
}

#[tokio::test]
async fn bad_output_faults_the_call() {
    let cases = [
        ("words", r#"echo 'starting up'"#, "a line that is not JSON"),
        ("list", r#"echo '[1]'"#, "a line that is not a JSON object"),
        ("anonymous", r#"echo '{"result":1}'"#, "a line without the \"id\""),
        ("nothing", r#"echo "{\"id\":$id}""#, "an answer with neither \"result\" nor \"error\""),
        ("broken", r#"echo "{\"id\":$id,\"result\":oops}""#, "a line that is not JSON"),
        ("foreign", r#"answer 999 1"#, "an answer to call 999, which was never made"),
        ("binary", r#"printf '\377\376\n'"#, "a line that is not JSON"),
    ];
    let directory = Directory::new();
    let extensions = directory.extensions();
    for (name, print, expected) in cases {
        directory.program(name, &format!("read_call; {print}; while :; do read_call; answer \"$id\" '\"well\"'; done"));
        let (code, message) = fault(&extensions, &[name]).await;
        assert_eq!(code, "ext", "{name}");
        assert!(message.starts_with(&format!("extension '{name}': it printed {expected}")), "{message}");
        // The program goes on.
        assert_eq!(call(&extensions, &[name]).await, Ok(json!("well")), "{name}");
    }
}

#[tokio::test]
async fn a_huge_answer_faults_its_call_alone() {
    let directory = Directory::new();
    let body = r#"
        read_call; id1=$id; read_call
        printf '{"id":%s,"result":"' "$id1"; head -c 5000 /dev/zero | tr '\0' x; printf '"}\n'
        answer "$id" $$
        read_call; answer "$id" $$; read_call"#;
    directory.program("large", body);
    let mut config = directory.config();
    config.max_output = 1000;
    let extensions = Extensions::new(config).unwrap();
    let (large, small) = tokio::join!(fault(&extensions, &["large", "1"]), call(&extensions, &["large", "2"]));
    let expected = "extension 'large': it printed an answer of more than 1000 bytes";
    assert_eq!(large, ("ext".to_owned(), expected.to_owned()));
    assert_eq!(small, call(&extensions, &["large", "3"]).await, "the same process goes on");
}

#[tokio::test]
async fn endless_output_ends_the_program() {
    for (name, print) in [("line", "cat /dev/zero"), ("lines", "yes")] {
        let directory = Directory::new();
        directory.program(name, &format!("echo $$ >>starts; read_call; {print}"));
        let extensions = directory.extensions();
        let (code, message) = fault(&extensions, &[name]).await;
        assert_eq!(code, "ext");
        assert!(message.starts_with(&format!("extension '{name}': it printed a")), "{message}");
        let pid = directory.lines("starts").remove(0);
        until(|| !is_alive(&pid)).await;
    }
}

#[tokio::test]
async fn a_program_that_closes_its_output_is_ended() {
    let directory = Directory::new();
    directory.program("closed", r#"echo $$ >>starts; read_call; exec >&-; sleep 1000"#);
    let extensions = directory.extensions();
    let (code, message) = fault(&extensions, &["closed"]).await;
    assert_eq!(code, "ext");
    assert_eq!(message, "extension 'closed': its process was ended, since it closed its standard output");
    assert!(!is_alive(&directory.lines("starts")[0]));
}

#[tokio::test]
async fn a_flood_of_calls_waits_and_then_is_refused() {
    let directory = Directory::new();
    directory.program("gate", r#"while :; do read_call; wait_for go; answer "$id" "$arguments"; done"#);
    let mut config = directory.config();
    config.max_concurrent = 1;
    let extensions = Arc::new(Extensions::new(config).unwrap());
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let extensions = extensions.clone();
        calls.spawn(async move { call(&extensions, &["gate", &number.to_string()]).await });
    }
    // One runs and 32 wait for it.
    for _ in 0..7 {
        let fault = calls.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(fault.code, "ext");
        assert_eq!(fault.message, "extension 'gate': too many calls: 1 are running and too many wait");
    }
    directory.file("go", "");
    while let Some(result) = calls.join_next().await {
        assert!(result.unwrap().is_ok());
    }
}

#[tokio::test]
async fn large_arguments_are_refused() {
    let directory = Directory::new();
    directory.program("echo", r#"while :; do read_call; answer "$id" 1; done"#);
    let extensions = directory.extensions();
    let (code, message) = fault(&extensions, &["echo", &"x".repeat(1024 * 1024)]).await;
    assert_eq!(code, "ext");
    assert!(message.starts_with("extension 'echo': its arguments are too large: "), "{message}");
}

#[tokio::test]
async fn a_name_is_a_plain_file_name_of_something_that_can_run() {
    let directory = Directory::new();
    directory.program("program", "").file("text", "");
    std::fs::create_dir(directory.path("folder")).unwrap();
    let outside = format!("../{}/program", directory.0.path().file_name().unwrap().to_string_lossy());
    let extensions = directory.extensions();
    let cases = [
        (outside.as_str(), "the name must be a plain file name"),
        ("/bin/cat", "the name must be a plain file name"),
        ("", "the name is empty"),
        ("absent", "there is none: no endpoint of that name is configured"),
        ("folder", "there is none: no endpoint of that name is configured"),
        ("text", "its file is not executable"),
    ];
    for (name, expected) in cases {
        let (code, message) = fault(&extensions, &[name]).await;
        assert_eq!(code, "ext", "{name}");
        assert!(message.starts_with(&format!("extension '{name}': {expected}")), "{message}");
    }
    for given in [vec![], vec![json!(1)], vec![json!(null), json!("program")]] {
        let fault = extensions.call(given).await.unwrap_err();
        assert_eq!(fault.code, "ext");
        assert_eq!(fault.message, "ext: the first argument must be the extension's name, a text");
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_why() {
    let directory = Directory::new();
    directory.program("lost", "");
    std::fs::write(directory.path("lost"), "#!/no/such/interpreter\n").unwrap();
    let (code, message) = fault(&directory.extensions(), &["lost"]).await;
    assert_eq!(code, "ext");
    assert!(message.starts_with("extension 'lost': its program cannot be started: "), "{message}");
}

#[tokio::test]
async fn a_changed_file_is_used_from_the_next_call_on_and_running_calls_end_in_the_old_one() {
    let directory = Directory::new();
    directory.program("edited", r#"read_call; echo call >>calls; wait_for go; answer "$id" '"old"'; read_call"#);
    let extensions = directory.extensions();
    let swap = async {
        directory.wait_for_lines("calls", 1).await;
        std::fs::remove_file(directory.path("edited")).unwrap();
        directory.program("edited", r#"while :; do read_call; answer "$id" '"new version"'; done"#);
        let new = call(&extensions, &["edited", "2"]).await;
        directory.file("go", "");
        new
    };
    let (old, new) = tokio::join!(call(&extensions, &["edited", "1"]), swap);
    assert_eq!((old, new), (Ok(json!("old")), Ok(json!("new version"))));
}

#[tokio::test]
async fn standard_error_goes_to_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let directory = Directory::new();
    directory.program("chatty", r#"printf 'hello\033[31m log\n' >&2; read_call; answer "$id" 1; read_call"#);
    let extensions = directory.extensions();
    call(&extensions, &["chatty"]).await.unwrap();
    until(|| log.text().contains("hello")).await;
    let text = log.text();
    assert!(text.contains("hello\u{FFFD}[31m log extension=\"chatty\" pid="), "{text}");
}

#[tokio::test]
async fn shutdown_leaves_nothing_running() {
    let directory = Directory::new();
    directory
        .program("busy", r#"sleep 1000 & echo $! >>started; echo $$ >>started; read_call; echo call >>calls; wait"#);
    let extensions = directory.extensions();
    let end = async {
        directory.wait_for_lines("calls", 1).await;
        extensions.shutdown().await;
    };
    let (fault_, ()) = tokio::join!(fault(&extensions, &["busy"]), end);
    let expected = ("ext".to_owned(), "extension 'busy': the server is shutting down".to_owned());
    assert_eq!(fault_, expected);
    let started = directory.lines("started");
    assert_eq!(started.len(), 2);
    until(|| !started.iter().any(|pid| is_alive(pid))).await;
    assert_eq!(fault(&extensions, &["busy", "again"]).await, expected);
}

#[tokio::test]
async fn shutdown_lets_a_program_end_by_itself() {
    let directory = Directory::new();
    let body = r#"trap 'echo term >>ends; exit 0' TERM; echo $$ >>starts; while read_call; do answer "$id" 1; done"#;
    directory.program("polite", body);
    let extensions = directory.extensions();
    call(&extensions, &["polite"]).await.unwrap();
    extensions.shutdown().await;
    assert!(!is_alive(&directory.lines("starts")[0]));
}

#[tokio::test]
async fn shutdown_kills_a_program_that_does_not_end() {
    let directory = Directory::new();
    directory.program(
        "stubborn",
        r#"trap '' TERM; echo $$ >>starts; read_call; answer "$id" 1; while :; do sleep 1000; done"#,
    );
    let extensions = directory.extensions();
    call(&extensions, &["stubborn"]).await.unwrap();
    // With a stopped clock the time to end by itself passes at once.
    tokio::time::pause();
    extensions.shutdown().await;
    // So does the time that the system has to bury it.
    until(|| !is_alive(&directory.lines("starts")[0])).await;
}

#[tokio::test]
async fn dropping_the_extensions_kills_their_processes() {
    let directory = Directory::new();
    directory
        .program("left", r#"trap '' TERM; echo $$ >>starts; read_call; answer "$id" 1; while :; do sleep 1000; done"#);
    let extensions = directory.extensions();
    call(&extensions, &["left"]).await.unwrap();
    let pid = directory.lines("starts").remove(0);
    assert!(is_alive(&pid));
    drop(extensions);
    until(|| !is_alive(&pid)).await;
}

#[test]
fn the_end_of_the_runtime_kills_the_processes() {
    let directory = Directory::new();
    directory
        .program("left", r#"trap '' TERM; echo $$ >>starts; read_call; answer "$id" 1; while :; do sleep 1000; done"#);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let extensions = directory.extensions();
    runtime.block_on(call(&extensions, &["left"])).unwrap();
    let pid = directory.lines("starts").remove(0);
    assert!(is_alive(&pid));
    drop(runtime);
    tokio::runtime::Runtime::new().unwrap().block_on(until(|| !is_alive(&pid)));
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
