//! `lodestar check`: scripts against the devices that are stored.

use std::process::Command;

use crate::kit::{Server, store_of};

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_compared_with_stored_devices() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (directory.path().join("good.rhai"), directory.path().join("bad.rhai"));
    std::fs::write(&good, "declare(\"Device.ManagementServer.PeriodicInformInterval\", #{value: 1}, #{value: 300});")
        .unwrap();
    std::fs::write(
        &bad,
        "declare(\"Device.DeviceInfo.*\", #{value: 1});\n\
         declare(\"Device.Nothing\", #{value: 1});\n\
         declare(\"Device.ManagementServer.PeriodicInformInterval\", (), #{value: \"abc\"});\n\
         declare(\"Tags.new\", (), #{value: true});\n",
    )
    .unwrap();
    let check = |is_compared: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lodestar"));
        command.arg("check").args([&good, &bad]);
        if is_compared {
            command.arg("--data-dir").arg(server.data_dir()).envs(store_of(server.data_dir()));
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    };
    assert_eq!(check(false), (String::new(), String::new(), Some(0)), "by themselves they are right");
    let (printed, errors, code) = check(true);
    assert!(errors.contains("no device is stored"), "{errors}");
    assert_eq!((printed.as_str(), code), ("", Some(0)));

    server.preset(
        "read",
        serde_json::json!({}),
        "declare(\"Device.ManagementServer.*\", #{value: 1}); declare(\"Device.DeviceInfo.*\", #{value: 1});",
    );
    assert!(server.device("00000001", |_| {}).session(["2 PERIODIC"]).await.completed());
    let (printed, errors, code) = check(true);
    let file = bad.display();
    let expected = format!(
        "{file}:2:9: warning: the only stored device is not known to have Device.Nothing\n\
         {file}:3:9: warning: \"abc\" cannot become xsd:unsignedInt, the type of Device.ManagementServer.PeriodicInformInterval\n"
    );
    assert_eq!((printed, errors.as_str(), code), (expected, "", Some(0)), "warnings do not fail");
}
