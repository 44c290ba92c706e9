//! A router and a client that is logged in.

use routeros::{Client, ClientOptions, Command, Error, RouterPort, Row};
use sim::{RouterOptions, Simulator, SimulatorOptions};

pub const USER: &str = "admin";
pub const PASSWORD: &str = "open sesame";

pub fn router() -> RouterOptions {
    RouterOptions::new(USER, PASSWORD)
}

pub async fn start(router: RouterOptions) -> (Simulator, Client) {
    let simulator = Simulator::start(SimulatorOptions::new(router)).await.unwrap();
    let client = connect(&simulator).await;
    (simulator, client)
}

pub async fn fresh() -> (Simulator, Client) {
    start(router()).await
}

pub async fn connect(simulator: &Simulator) -> Client {
    Client::connect(simulator.address(), &ClientOptions::new(USER, PASSWORD.into())).await.unwrap()
}

/// A command in words: `/ip/address/add address=192.0.2.1/24 interface=ether1`.
pub fn command(text: &str) -> Command {
    let mut words = text.split(' ');
    let (menu, action) = words.next().unwrap().rsplit_once('/').unwrap();
    words.fold(Command::new(menu, action), |command, word| {
        let (name, value) = word.split_once('=').unwrap();
        command.argument(name, value.to_owned())
    })
}

pub async fn add(client: &Client, text: &str) -> String {
    RouterPort::add(client, command(text)).await.unwrap().unwrap()
}

pub async fn run(client: &Client, text: &str) {
    client.run(command(text)).await.unwrap();
}

pub async fn rows(client: &Client, menu: &str) -> Vec<Row> {
    client.run(Command::print(menu)).await.unwrap().rows
}

/// The messages with which a command is refused.
pub async fn refusal(client: &Client, text: &str) -> String {
    match client.run(command(text)).await.unwrap_err() {
        Error::Trap { traps, .. } => traps.iter().map(|trap| trap.message.clone()).collect::<Vec<_>>().join("; "),
        other => panic!("{other:?}"),
    }
}

/// A property of the first row with this name.
pub async fn property(client: &Client, menu: &str, name: &str, property: &str) -> Option<String> {
    let rows = rows(client, menu).await;
    let row = rows.iter().find(|row| row.text("name").as_deref() == Some(name)).unwrap();
    row.text(property).map(|text| text.into_owned())
}

pub fn column(rows: &[Row], property: &str) -> Vec<String> {
    rows.iter().filter_map(|row| row.text(property)).map(|text| text.into_owned()).collect()
}
