//! REST: the client's requests, and those of other programs.

use std::net::SocketAddr;

use routeros::{ClientOptions, Command, Error, ErrorClass, Query, RestRouter, RouterPort, TcpConnector};
use sim::routeros::fault::{Counted, FaultAction};
use sim::{RouterFault, Simulator, SimulatorOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{PASSWORD, USER, command, router};

async fn start() -> (Simulator, SocketAddr) {
    let rest_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = SimulatorOptions { rest_listen, ..SimulatorOptions::new(router()) };
    let simulator = Simulator::start(options).await.unwrap();
    let address = simulator.rest_address().unwrap();
    (simulator, address)
}

fn client(address: SocketAddr, password: &str) -> RestRouter {
    let connector = TcpConnector::new(address.ip().to_string(), address.port());
    RestRouter::new(connector, ClientOptions::new(USER, password.into())).unwrap()
}

#[tokio::test]
async fn commands_do_what_they_do_over_the_api() {
    let (simulator, address) = start().await;
    let client = client(address, PASSWORD);
    let id = client.add(command("/ip/pool/add name=lan ranges=192.0.2.10-192.0.2.20")).await.unwrap().unwrap();
    client.add(command("/ip/pool/add name=guest ranges=192.0.2.30-192.0.2.40")).await.unwrap();
    client.run(command("/ip/pool/set ranges=192.0.2.10-192.0.2.12").item(&id)).await.unwrap();
    let print = Command::print("/ip/pool").properties(["name", "ranges"]);
    let lan = client.rows(print.clone().query(Query::id(id.clone()))).await.unwrap();
    assert_eq!(lan.len(), 1);
    assert_eq!(lan[0].text("ranges").as_deref(), Some("192.0.2.10-192.0.2.12"));
    let either = Query::equals("name", "lan").or(Query::equals("name", "guest"));
    assert_eq!(client.rows(print.clone().query(either)).await.unwrap().len(), 2);
    client.run(Command::set("/system/identity").argument("name", "a \"quoted\" name \u{fc}")).await.unwrap();
    let identity = client.rows(Command::print("/system/identity")).await.unwrap();
    assert_eq!(identity[0].text("name").as_deref(), Some("a \"quoted\" name \u{fc}"));
    client.run(Command::remove("/ip/pool", &id)).await.unwrap();
    assert_eq!(client.rows(print).await.unwrap().len(), 1);
    assert!(simulator.configuration().contains("guest"));
}

#[tokio::test]
async fn refusals_are_those_of_the_api() {
    let (simulator, address) = start().await;
    let good = client(address, PASSWORD);
    good.add(command("/ip/pool/add name=lan ranges=192.0.2.10-192.0.2.20")).await.unwrap();
    for (refused, class) in [
        ("/ip/pool/add name=lan ranges=192.0.2.10-192.0.2.20", ErrorClass::Already),
        ("/ip/pool/add name=x ranges=x", ErrorClass::BadValue),
        ("/ip/pool/add name=x nonsense=x", ErrorClass::Unsupported),
        ("/ip/nonsense/add name=x", ErrorClass::Unsupported),
        ("/ip/pool/remove .id=*FFFF", ErrorClass::MissingItem),
    ] {
        let error = good.run(command(refused)).await.unwrap_err();
        assert_eq!(error.class(), class, "{refused}: {error}");
    }
    let error = client(address, "guess").run(Command::print("/ip/pool")).await.unwrap_err();
    assert!(matches!(error, Error::Login { .. }) && !error.to_string().contains("guess"), "{error}");
    simulator.set_faults(vec![RouterFault { counted: Counted::Writes, number: 1, action: FaultAction::CutAfter }]);
    let lost = good.run(command("/ip/pool/add name=y ranges=192.0.2.50")).await.unwrap_err();
    assert!(lost.is_state_unknown(), "{lost}");
    assert!(simulator.configuration().contains("name=\"y\""));
    // The next command makes a new connection.
    assert_eq!(good.rows(Command::print("/ip/pool")).await.unwrap().len(), 2);
}

/// Other programs use the other verbs.
#[tokio::test]
async fn verbs_have_their_meaning() {
    let (_simulator, address) = start().await;
    let authorization =
        format!("Authorization: Basic {}", data_encoding::BASE64.encode(format!("{USER}:{PASSWORD}").as_bytes()));
    let say = async |request: &str, body: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nHost: router\r\n{authorization}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    };
    let (status, added) = say("PUT /rest/ip/pool", r#"{"name":"lan","ranges":"192.0.2.10-192.0.2.20"}"#).await;
    assert_eq!(status, "201");
    let id = added.split('*').nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (status, rows) = say("GET /rest/ip/pool?name=lan&.proplist=name", "").await;
    assert_eq!((status.as_str(), rows.as_str()), ("200", r#"[{"name":"lan"}]"#));
    assert_eq!(say(&format!("PATCH /rest/ip/pool/*{id}"), r#"{"comment":"here"}"#).await.0, "200");
    let (_, rows) = say(&format!("GET /rest/ip/pool/*{id}"), "").await;
    assert!(rows.contains(r#""comment":"here""#), "{rows}");
    assert_eq!(say(&format!("DELETE /rest/ip/pool/*{id}"), "").await.0, "200");
    assert_eq!(say("GET /rest/ip/pool", "").await.1, "[]");
    assert_eq!(say("DELETE /rest/ip/pool", "").await.0, "400");
    assert_eq!(say("POST /rest/ip/pool/print", "[").await.0, "400");
    assert_eq!(say("GET /elsewhere", "").await.0, "404");
}
