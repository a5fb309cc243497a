//! Entries of an allow-list: written out they read back, and an address is in its own network.

use std::net::IpAddr;

use muster_accounts::{IpNet, app::parse_network};

/// One input.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let network = parse_network(text);
    if let Some(network) = network {
        assert_eq!(network.trunc(), network);
        assert_eq!(parse_network(&network.to_string()), Some(network));
        // A store reads it so.
        assert_eq!(network.to_string().parse::<IpNet>(), Ok(network));
        // No caller has a mapped address (`App::allows_source`), so none would be in it.
        assert!(network.prefix_len() < 96 || network.addr() == network.addr().to_canonical());
    }
    let (address, prefix) = text.split_once('/').unwrap_or((text, "128"));
    if let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), prefix.parse::<u8>()) {
        let caller = address.to_canonical();
        let is_v4_network = address.is_ipv4() && text.contains('/');
        if bits > if is_v4_network { 32 } else { 128 } {
            assert_eq!(network, None);
            return;
        }
        // A wider network of IPv6 has no callers of IPv4, though it has all mapped addresses. And a
        // prefix has no sign or leading zero.
        let is_mapped = caller != address;
        if bits.to_string() == prefix && (!is_mapped || bits >= 96) {
            assert!(network.expect("is one").contains(&caller));
        }
    }
}
