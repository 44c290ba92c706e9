//! File transfers: rows F.

use lodestar::file_urls;
use ui_api::{Direction, Grant, content_mark};

use crate::kit::{Answer, Connection, Server};

/// A request to the file server on a connection of its own.
fn ask(server: &Server, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n{headers}\r\n{body}");
    Connection::open(server.addresses().files).send(head)
}

/// A path that the server would have signed for a device.
fn signed(server: &Server, direction: Direction, file_name: &str, content: &str) -> String {
    let signer = file_urls::signer(server.data_dir()).unwrap();
    let grant = Grant {
        direction,
        device_id: "0A1B2C-Box-F7".to_owned(),
        command_key: file_name.to_owned(),
        expires_at: i64::MAX,
        content: content.to_owned(),
        file_name: file_name.to_owned(),
    };
    format!("/{}", signer.path(&grant))
}

#[test]
fn f7_files_are_served_in_parts_and_received_in_any_framing() {
    let server = Server::start();
    server.request("PUT", "/files/fw.bin", "0123456789").expect_status(201);
    let sha256 = server.get("/files/fw.bin")["sha256"].as_str().unwrap().to_owned();
    let fetch = signed(&server, Direction::Fetch, "fw.bin", content_mark(&sha256));
    let whole = ask(&server, "GET", &fetch, "", "").expect_status(200);
    assert_eq!((whole.text(), whole.header("Accept-Ranges")), ("0123456789", Some("bytes")));
    let part = ask(&server, "GET", &fetch, "Range: bytes=-4\r\n", "").expect_status(206);
    assert_eq!((part.text(), part.header("Content-Range")), ("6789", Some("bytes 6-9/10")));
    let mut connection = Connection::open(server.addresses().files);
    connection.write(format!("HEAD {fetch} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n\r\n"));
    let head = String::from_utf8(connection.closed()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 10\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    // Nobody else gets it: 403 becomes the device's fault 9012, 404 its 9016.
    ask(&server, "GET", &fetch.replace("Box-F7", "Box-F8"), "", "").expect_status(403);
    ask(&server, "GET", "/fw.bin", "", "").expect_status(404);

    let chunks = signed(&server, Direction::Send, "chunks.cfg", "");
    let chunked = "Transfer-Encoding: chunked\r\n";
    ask(&server, "PUT", &chunks, chunked, "5\r\nfirst\r\n7\r\n second\r\n0\r\n\r\n").expect_status(201);
    ask(&server, "PUT", &chunks, chunked, "5\r\nagain\r\n0\r\n\r\n").expect_status(403);
    let asked = signed(&server, Direction::Send, "asked.cfg", "");
    let mut connection = Connection::open(server.addresses().files);
    let head = format!("PUT {asked} HTTP/1.1\r\nHost: files\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    connection.send(head).expect_status(100);
    connection.send("asked").expect_status(201);
    let uploads = server.get("/uploads");
    assert_eq!(uploads.as_array().unwrap().len(), 2, "{uploads:#}");
    for upload in uploads.as_array().unwrap() {
        let id = upload["_id"].as_str().unwrap();
        let content = server.request("GET", &format!("/uploads/{id}/content"), "").expect_status(200);
        assert!(["first second", "asked"].contains(&content.text()), "{upload:#}");
    }
}
