//! What single menus do by themselves.

use std::time::Duration;

use routeros::{Command, RouterPort};
use sim::RouterOptions;
use sim::routeros::options::{DeviceMode, Hardware};

use crate::kit::{add, column, command, fresh, property, refusal, router, rows, run, start};

#[tokio::test]
async fn every_interface_is_under_interface_with_the_same_id() {
    let (_simulator, client) = fresh().await;
    let id = add(&client, "/interface/vlan/add name=v7 interface=ether1 vlan-id=7").await;
    assert_eq!(property(&client, "/interface", "v7", ".id").await, Some(id));
    assert_eq!(property(&client, "/interface", "v7", "type").await.as_deref(), Some("vlan"));
    assert_eq!(property(&client, "/interface", "v7", "running").await.as_deref(), Some("true"));
    run(&client, "/interface/disable numbers=ether1").await;
    assert_eq!(property(&client, "/interface/vlan", "v7", "running").await.as_deref(), Some("false"));
    // Names that nobody gave are made up.
    add(&client, "/interface/bridge/add").await;
    add(&client, "/interface/bridge/add").await;
    assert_eq!(column(&rows(&client, "/interface/bridge").await, "name"), ["bridge1", "bridge2"]);
}

#[tokio::test]
async fn keys_of_wireguard_are_real() {
    let (_simulator, client) = fresh().await;
    let private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
    add(&client, &format!("/interface/wireguard/add name=wg1 private-key={private}")).await;
    let public = property(&client, "/interface/wireguard", "wg1", "public-key").await;
    assert_eq!(public.as_deref(), Some("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="));
    add(&client, "/interface/wireguard/add name=wg2").await;
    let made = property(&client, "/interface/wireguard", "wg2", "public-key").await.unwrap();
    let peer =
        format!("/interface/wireguard/peers/add interface=wg1 public-key={made} allowed-address=0.0.0.0/0,192.0.2.1");
    add(&client, &peer).await;
    let peers = rows(&client, "/interface/wireguard/peers").await;
    assert_eq!(peers[0].text("allowed-address").as_deref(), Some("0.0.0.0/0,192.0.2.1/32"));
    assert_eq!(refusal(&client, &peer).await, "failure: already have such entry");
}

#[tokio::test]
async fn addresses_and_leases_make_routes() {
    let (_simulator, client) = fresh().await;
    add(&client, "/ip/address/add address=192.0.2.1/24 interface=ether1").await;
    add(&client, "/ip/dhcp-client/add interface=ether2").await;
    let routes = rows(&client, "/ip/route").await;
    assert_eq!(column(&routes, "dst-address"), ["192.0.2.0/24", "100.64.1.0/24", "0.0.0.0/0"]);
    assert!(routes.iter().all(|route| route.flag("dynamic") == Some(true)));
    assert!(routes[0].id().unwrap().starts_with("*2018"));
    let remove = format!("/ip/route/remove .id={}", routes[0].id().unwrap());
    assert_eq!(refusal(&client, &remove).await, "failure: can not change dynamic item");
    let lease = &rows(&client, "/ip/dhcp-client").await[0];
    assert_eq!(
        (lease.text("status").as_deref(), lease.text("gateway").as_deref()),
        (Some("bound"), Some("100.64.1.1"))
    );
    assert_eq!(rows(&client, "/ip/address").await[1].flag("dynamic"), Some(true));
    run(&client, "/ip/dhcp-client/disable numbers=*1").await;
    assert_eq!(rows(&client, "/ip/route").await.len(), 1);
}

#[tokio::test]
async fn flags_have_an_empty_value() {
    let (_simulator, client) = fresh().await;
    client.run(Command::add("/routing/table").argument("name", "to-a").argument("fib", "")).await.unwrap();
    client.run(Command::add("/ip/route").argument("blackhole", "").argument("routing-table", "to-a")).await.unwrap();
    let table = &rows(&client, "/routing/table").await[1];
    assert_eq!(table.text("fib").as_deref(), Some(""));
    assert_eq!(rows(&client, "/ip/route").await[0].text("blackhole").as_deref(), Some(""));
}

#[tokio::test]
async fn settings_have_one_row_without_an_id() {
    let (_simulator, client) = fresh().await;
    // What is not set is shown with an empty value here.
    assert_eq!(client.rows(Command::print("/ip/dns")).await.unwrap()[0].text("use-doh-server").as_deref(), Some(""));
    run(&client, "/ip/dns/set servers=192.0.2.53,198.51.100.53 cache-max-ttl=3600").await;
    let settings = client.run(Command::print("/ip/dns")).await.unwrap();
    let row = settings.single().unwrap();
    assert_eq!(row.id(), None);
    assert_eq!(
        (row.text("servers").as_deref(), row.text("cache-max-ttl").as_deref()),
        (Some("192.0.2.53,198.51.100.53"), Some("1h"))
    );
    run(&client, "/ip/dns/set servers=").await;
    assert_eq!(client.rows(Command::print("/ip/dns")).await.unwrap()[0].text("servers").as_deref(), Some(""));
    run(&client, "/ip/service/set .id=ssh port=2222").await;
    assert_eq!(property(&client, "/ip/service", "ssh", "port").await.as_deref(), Some("2222"));
}

#[tokio::test]
async fn signing_a_certificate_takes_a_while() {
    let (_simulator, client) = fresh().await;
    let ca = add(&client, "/certificate/add name=ca common-name=ca key-usage=key-cert-sign,crl-sign").await;
    let server =
        add(&client, "/certificate/add name=server common-name=server key-usage=digital-signature,tls-server").await;
    assert_eq!(property(&client, "/certificate", "ca", "fingerprint").await, None);
    assert!(refusal(&client, &format!("/certificate/sign .id={server} ca=ca")).await.contains("no private key"));
    let mut progress = client.listen(&command(&format!("/certificate/sign .id={ca} ca-crl-host=127.0.0.1"))).unwrap();
    let mut steps = Vec::new();
    while let Some(row) = progress.next().await.unwrap() {
        steps.push(row.text("progress").unwrap().into_owned());
    }
    assert_eq!(steps.last().map(String::as_str), Some("done"));
    run(&client, &format!("/certificate/sign .id={server} ca=ca")).await;
    assert_eq!(property(&client, "/certificate", "server", "ca").await.as_deref(), Some("ca"));
    assert_eq!(property(&client, "/certificate", "server", "fingerprint").await.unwrap().len(), 64);
    assert!(refusal(&client, &format!("/certificate/set .id={ca} common-name=other")).await.contains("signed"));
    run(&client, "/certificate/export-certificate numbers=server export-passphrase=12345678").await;
    assert_eq!(column(&rows(&client, "/file").await, "name"), ["cert_export_server.crt", "cert_export_server.key"]);
    run(&client, "/certificate/import file-name=cert_export_server.crt name=again").await;
    let fingerprint = property(&client, "/certificate", "server", "fingerprint").await;
    assert_eq!(property(&client, "/certificate", "again", "fingerprint").await, fingerprint);
}

#[tokio::test]
async fn a_signature_can_be_cancelled() {
    let (_simulator, client) = start(RouterOptions { sign_time: Duration::from_secs(3600), ..router() }).await;
    let id = add(&client, "/certificate/add name=ca common-name=ca").await;
    client.listen(&command(&format!("/certificate/sign .id={id}"))).unwrap().cancel().await.unwrap();
    assert_eq!(property(&client, "/certificate", "ca", "fingerprint").await, None);
}

#[tokio::test]
async fn files_have_a_limit_and_are_read_in_pieces() {
    let (_simulator, client) = fresh().await;
    let long = "x".repeat(61 * 1024);
    let add =
        |contents: &str| Command::add("/file").argument("name", "a.txt").argument("contents", contents.to_owned());
    let error = client.run(add(&long)).await.unwrap_err();
    assert!(error.to_string().ends_with("failure: contents too long"));
    client.run(add(&long[..50 * 1024])).await.unwrap();
    assert_eq!(property(&client, "/file", "a.txt", "size").await.as_deref(), Some("51200"));
    let read = client.rows(command("/file/read file=a.txt offset=32768")).await.unwrap();
    assert_eq!(read[0].bytes("data").unwrap().len(), 50 * 1024 - 32 * 1024);
}

#[tokio::test]
async fn what_the_device_lacks_is_not_there() {
    let hardware = Hardware { ethernets: 2, sfps: 0, radios: 0, modems: 0, arm64: false };
    let options = RouterOptions { hardware, without: vec!["/tr069-client".to_owned()], ..router() };
    let (_simulator, client) = start(options).await;
    assert_eq!(column(&rows(&client, "/interface").await, "name"), ["ether1", "ether2"]);
    let cases = [
        ("/interface/wifi/print", "wifi"),
        ("/interface/lte/print", "lte"),
        ("/zerotier/print", "zerotier"),
        ("/tr069-client/print", "tr069-client"),
    ];
    for (command, word) in cases {
        let message = format!("no such command or directory ({word}); no such command prefix");
        assert_eq!(refusal(&client, command).await, message);
    }
    let old = RouterOptions { release: "7.16".parse().unwrap(), ..router() };
    let (_simulator, client) = start(old).await;
    assert!(refusal(&client, "/ip/dns/forwarders/print").await.contains("forwarders"));
    assert_eq!(refusal(&client, "/interface/wireguard/add vrf=main").await, "unknown parameter vrf");
}

#[tokio::test]
async fn the_openvpn_server_of_older_releases_is_one() {
    for (release, refused) in [("7.16", "no such command"), ("7.17", "")] {
        let (_simulator, client) = start(RouterOptions { release: release.parse().unwrap(), ..router() }).await;
        let menu = "/interface/ovpn-server/server";
        if refused.is_empty() {
            run(&client, &format!("{menu}/add name=a port=1195")).await;
            assert_eq!(column(&rows(&client, menu).await, "name"), ["a"]);
        } else {
            assert_eq!(refusal(&client, &format!("{menu}/add port=1195")).await, refused);
            run(&client, &format!("{menu}/set enabled=yes port=1195")).await;
            let found = rows(&client, menu).await;
            assert_eq!(column(&found, "port"), ["1195"]);
            assert!(found[0].id().is_none() && found[0].flag("enabled") == Some(true));
            assert_eq!(found[0].text("disabled"), None, "an argument of later releases");
        }
    }
}

#[tokio::test]
async fn the_device_mode_forbids() {
    let (_simulator, client) = start(RouterOptions { device_mode: DeviceMode::Home, ..router() }).await;
    for command in [
        "/system/scheduler/add name=s on-event=x",
        "/ip/socks/set enabled=yes",
        "/ip/proxy/set enabled=yes",
        "/tool/romon/set enabled=yes",
    ] {
        assert_eq!(refusal(&client, command).await, "failure: not allowed by device-mode", "{command}");
    }
    run(&client, "/ip/socks/set port=1081").await;
    let mode = client.rows(Command::print("/system/device-mode")).await.unwrap();
    assert_eq!((mode[0].text("mode").as_deref(), mode[0].flag("scheduler")), (Some("home"), Some(false)));
}

#[tokio::test]
async fn a_home_router_begins_with_its_default_configuration() {
    let (_simulator, client) = start(RouterOptions { default_configuration: true, ..router() }).await;
    assert_eq!(
        refusal(&client, "/interface/bridge/port/add bridge=bridge interface=ether2").await,
        "failure: device already added as bridge port"
    );
    assert!(column(&rows(&client, "/ip/address").await, "address").contains(&"192.168.88.1/24".to_owned()));
}
