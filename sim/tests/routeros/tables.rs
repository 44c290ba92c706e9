//! Rows: ids, order, names, links, defaults, duplicates, refusals in a device's words.

use routeros::Command;

use crate::kit::{add, column, fresh, property, refusal, rows, run};

#[tokio::test]
async fn ids_count_up_and_are_not_used_again() {
    let (_simulator, client) = fresh().await;
    let first = add(&client, "/ip/pool/add name=a ranges=192.0.2.0/28").await;
    assert_eq!(first, "*1");
    run(&client, "/ip/pool/remove .id=*1").await;
    assert_eq!(add(&client, "/ip/pool/add name=b ranges=192.0.2.0/28").await, "*2");
    assert_eq!(refusal(&client, "/ip/pool/remove .id=*1").await, "no such item");
    // Names and positions are taken, too.
    run(&client, "/ip/pool/set .id=b comment=x").await;
    run(&client, "/ip/pool/set numbers=0 comment=y").await;
    assert_eq!(column(&rows(&client, "/ip/pool").await, "comment"), ["y"]);
}

#[tokio::test]
async fn mistakes_are_refused_in_a_devices_words() {
    let (_simulator, client) = fresh().await;
    add(&client, "/ip/pool/add name=p1 ranges=192.0.2.0/28").await;
    let cases = [
        ("/ip/adress/print", "no such command or directory (adress); no such command prefix"),
        ("/ip/address/frobnicate", "no such command"),
        ("/ip/service/add name=x", "no such command"),
        ("/ip/address/add adress=x", "unknown parameter adress"),
        ("/ip/address/set .id=*1 dynamic=no", "unknown parameter dynamic"),
        ("/ip/address/set disabled=yes", "missing =.id="),
        ("/ip/address/add address=192.0.2.1/24", "missing value(s) of argument(s) interface"),
        ("/ip/address/add address=192.0.2.1/24 interface=ether77", "input does not match any value of interface"),
        ("/ip/address/add address=192.0.2.300 interface=ether1", "invalid value of address, ip address required"),
        ("/ip/firewall/filter/add chain=input action=explode", "input does not match any value of action"),
        ("/ip/firewall/filter/add chain=input disabled=maybe", "input does not match any value of disabled"),
        ("/ip/route/add gateway=192.0.2.1 distance=300", "value of distance out of range (1..255)"),
        ("/ip/route/add gateway=ether77", "invalid or unexpected argument base"),
        ("/ip/route/add gateway=192.0.2.1 routing-table=to-x", "input does not match any value of routing-table"),
        ("/ip/pool/add name=p1 ranges=192.0.2.0/28", "failure: pool with such name exists"),
        ("/ip/pool/add name=p2 ranges=192.0.2.1-x", "invalid value of ranges, ip address after '-' required"),
        ("/interface/bridge/add name=ether1", "failure: already have interface with such name"),
        ("/ip/dhcp-server/network/add address=192.0.2.7/24", "failure: invalid network"),
        ("/ip/dns/static/add address=192.0.2.1", "failure: only name or regexp allowed"),
        ("/ip/dns/static/add name=a regexp=b address=192.0.2.1", "failure: only name or regexp allowed"),
        ("/interface/vlan/add interface=ether1 vlan-id=5000", "value of vlan-id out of range (1..4095)"),
        (
            "/interface/wireguard/add private-key=short",
            "invalid value of private-key, a key of 32 bytes in base64 required",
        ),
        ("/interface/ethernet/remove .id=ether1", "no such command"),
        ("/interface/lte/remove .id=lte1", "failure: cannot remove hardware device"),
        ("/interface/wifi/remove .id=wifi1", "failure: cannot remove hardware device"),
        ("/ppp/profile/remove .id=default", "failure: can not remove default item"),
        ("/system/identity/set nme=x", "unknown parameter nme"),
        ("/certificate/sign numbers=*1", "unknown parameter numbers"),
    ];
    for (command, message) in cases {
        assert_eq!(refusal(&client, command).await, message, "{command}");
    }
}

#[tokio::test]
async fn twins_are_refused_where_a_device_refuses_them() {
    let (_simulator, client) = fresh().await;
    add(&client, "/interface/bridge/add name=b1").await;
    let cases = [
        ("/ip/address/add address=192.0.2.1/24 interface=ether1", "failure: already have such address"),
        ("/ip/firewall/address-list/add list=a address=192.0.2.0/24", "failure: already have such entry"),
        ("/interface/list/member/add list=static interface=ether1", "failure: already have such entry"),
        ("/interface/bridge/port/add bridge=b1 interface=ether2", "failure: device already added as bridge port"),
        ("/ip/dhcp-server/network/add address=192.0.2.0/24", "failure: such network already exists"),
        ("/ip/dhcp-server/add interface=b1 name=d1", "failure: server with such name already exists"),
        ("/ip/dns/static/add name=a address=192.0.2.1", "failure: entry already exists"),
        ("/ip/dhcp-client/add interface=ether3", "failure: dhcp-client on that interface already exists"),
        ("/ppp/secret/add name=s service=pptp", "failure: secret with the same name already exists"),
    ];
    for (command, message) in cases {
        add(&client, command).await;
        assert_eq!(refusal(&client, &format!("{command} comment=other")).await, message, "{command}");
    }
    assert_eq!(
        refusal(&client, "/ip/dhcp-server/add interface=b1 name=d2").await,
        "server or relay with such interface already exists"
    );
    // A disabled twin is no twin, another service not either; a network's spelling does not matter.
    add(&client, "/ip/firewall/address-list/add list=a address=192.0.2.0/24 disabled=yes").await;
    add(&client, "/ppp/secret/add name=s service=l2tp").await;
    let again = "/ip/firewall/address-list/add list=a address=192.0.2.9/24";
    assert_eq!(refusal(&client, again).await, "failure: already have such entry");
}

#[tokio::test]
async fn a_new_name_shows_everywhere_and_a_removed_row_leaves_its_id() {
    let (_simulator, client) = fresh().await;
    let bridge = add(&client, "/interface/bridge/add name=b1").await;
    add(&client, "/ip/pool/add name=p1 ranges=192.0.2.10-192.0.2.20").await;
    add(&client, "/ip/dhcp-server/add name=d1 interface=b1 address-pool=p1").await;
    add(&client, "/interface/bridge/port/add bridge=b1 interface=ether2").await;
    run(&client, &format!("/interface/set .id={bridge} name=lan")).await;
    assert_eq!(property(&client, "/ip/dhcp-server", "d1", "interface").await.as_deref(), Some("lan"));
    assert_eq!(property(&client, "/interface/bridge", "lan", ".id").await, Some(bridge.clone()));
    run(&client, "/ip/pool/remove .id=p1").await;
    run(&client, "/interface/bridge/remove .id=lan").await;
    assert_eq!(property(&client, "/ip/dhcp-server", "d1", "address-pool").await.as_deref(), Some("*1"));
    assert_eq!(column(&rows(&client, "/interface/bridge/port").await, "bridge"), [bridge]);
    // The same name again is another bridge.
    add(&client, "/interface/bridge/add name=lan").await;
    assert_eq!(
        refusal(&client, "/interface/bridge/port/add bridge=lan interface=ether2").await,
        "failure: device already added as bridge port"
    );
    assert_eq!(property(&client, "/ip/dhcp-server", "d1", "invalid").await.as_deref(), Some("true"));
}

async fn comments(client: &routeros::Client) -> String {
    column(&rows(client, "/ip/firewall/filter").await, "comment").concat()
}

#[tokio::test]
async fn rows_are_placed_and_moved() {
    let (_simulator, client) = fresh().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(add(&client, &format!("/ip/firewall/filter/add chain=input comment={name}")).await);
    }
    add(&client, &format!("/ip/firewall/filter/add chain=input comment=e place-before={}", ids[1])).await;
    assert_eq!(comments(&client).await, "aebcd");
    let moved = |numbers: &[&str], destination: Option<&str>| {
        client.run(Command::move_items("/ip/firewall/filter", numbers, destination))
    };
    moved(&[&ids[3], &ids[0]], Some(&ids[2])).await.unwrap();
    assert_eq!(comments(&client).await, "ebdac");
    moved(&[&ids[1]], None).await.unwrap();
    assert_eq!(comments(&client).await, "edacb");
    // A destination that is not there is the end.
    moved(&[&ids[3]], Some("*FFFF")).await.unwrap();
    assert_eq!(comments(&client).await, "eacbd");
    let onto_itself = moved(&[&ids[0]], Some(&ids[0])).await.unwrap_err();
    assert!(onto_itself.to_string().ends_with("failure: can not move object before itself"));
    let set = format!("/ip/firewall/filter/set .id={} place-before={}", ids[0], ids[1]);
    assert_eq!(refusal(&client, &set).await, "unknown parameter place-before");
}

#[tokio::test]
async fn what_is_unset_is_absent() {
    let (simulator, client) = fresh().await;
    let id = add(&client, "/ip/firewall/filter/add chain=input").await;
    let before = simulator.configuration();
    run(&client, &format!("/ip/firewall/filter/set .id={id} src-address=192.0.2.1 comment=x dst-port=53 protocol=udp"))
        .await;
    run(&client, &format!("/ip/firewall/filter/set .id={id} !src-address= comment=")).await;
    run(&client, &format!("/ip/firewall/filter/unset numbers={id} value-name=dst-port")).await;
    run(&client, &format!("/ip/firewall/filter/set .id={id} protocol=")).await;
    assert_eq!(simulator.configuration(), before);
    run(&client, &format!("/ip/firewall/filter/disable numbers={id}")).await;
    assert_eq!(rows(&client, "/ip/firewall/filter").await[0].flag("disabled"), Some(true));
    run(&client, &format!("/ip/firewall/filter/enable numbers={id}")).await;
    assert_eq!(simulator.configuration(), before);
}

#[tokio::test]
async fn a_route_that_is_switched_off_shows_little_of_itself() {
    let (simulator, client) = fresh().await;
    let id = add(&client, "/ip/route/add dst-address=192.0.2.0/24 gateway=198.51.100.1 distance=7").await;
    let before = simulator.configuration();
    run(&client, &format!("/ip/route/disable numbers={id}")).await;
    let route = rows(&client, "/ip/route").await.swap_remove(0);
    assert_eq!(route.text("dst-address").as_deref(), Some("192.0.2.0/24"));
    for name in ["distance", "routing-table", "scope", "target-scope"] {
        assert_eq!(route.text(name), None, "{name}");
    }
    run(&client, &format!("/ip/route/enable numbers={id}")).await;
    assert_eq!(rows(&client, "/ip/route").await[0].text("distance").as_deref(), Some("7"));
    assert_eq!(simulator.configuration(), before);
}

#[tokio::test]
async fn values_are_bytes() {
    let (_simulator, client) = fresh().await;
    let comment = b"a=b;\"c\" $d [e] \\ \r\n\0 \xFF\xFE".to_vec();
    let add = Command::add("/ip/pool")
        .argument("name", "p")
        .argument("ranges", "192.0.2.0/28")
        .argument("comment", comment.clone());
    client.run(add).await.unwrap();
    assert_eq!(rows(&client, "/ip/pool").await[0].bytes("comment").unwrap().as_ref(), comment);
    let source = "x".repeat(20_000);
    client.run(Command::add("/system/script").argument("name", "s").argument("source", source.clone())).await.unwrap();
    assert_eq!(property(&client, "/system/script", "s", "source").await, Some(source));
}
