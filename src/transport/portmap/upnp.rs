//! UPnP IGD, for routers that know nothing better.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};
use tokio::time::timeout;

use super::{LEASE, Mapping, NoMapping};

/// Where routers are asked.
const SSDP: u16 = 1900;
/// For the search.
const SEARCH: Duration = Duration::from_secs(3);
/// For each question after it.
const ANSWER: Duration = Duration::from_secs(3);
/// What the router's owner reads beside the port: nothing of us.
const DESCRIPTION: &str = "";

/// A port that the router passes on.
#[derive(Clone)]
pub struct Lease {
    gateway: Arc<Gateway<Tokio>>,
    own: SocketAddr,
    external: u16,
}

impl Lease {
    /// Begins its time anew.
    pub async fn renew(&self) {
        let add = self.gateway.add_port(PortMappingProtocol::TCP, self.external, self.own, LEASE, DESCRIPTION);
        let _ = timeout(ANSWER, add).await;
    }

    /// Gives it back.
    pub async fn remove(self) {
        let _ = self.gateway.remove_port(PortMappingProtocol::TCP, self.external).await;
    }
}

/// Asks the router for a port that leads to `own`. Whatever else answers on the network is not believed.
pub async fn ask(router: Ipv4Addr, own: SocketAddr) -> Result<Mapping, NoMapping> {
    // Where somebody else is quicker, the router is asked alone.
    for (at, limit) in [(None, SEARCH), (Some(SocketAddr::from((router, SSDP))), ANSWER)] {
        let mut options = SearchOptions::default();
        options.bind_addr = SocketAddr::new(own.ip(), 0);
        options.timeout = Some(limit);
        options.single_search_timeout = Some(limit);
        options.broadcast_address = at.unwrap_or(options.broadcast_address);
        if let Ok(Ok(gateway)) = timeout(limit, search_gateway(options)).await
            && gateway.addr.ip() == IpAddr::from(router)
        {
            return timeout(ANSWER, add(gateway, own)).await.unwrap_or(Err(NoMapping::NoAnswer));
        }
    }
    Err(NoMapping::NoAnswer)
}

async fn add(gateway: Gateway<Tokio>, own: SocketAddr) -> Result<Mapping, NoMapping> {
    let external = match gateway.add_port(PortMappingProtocol::TCP, own.port(), own, LEASE, DESCRIPTION).await {
        Ok(()) => own.port(),
        Err(AddPortError::PortInUse) => {
            let any = gateway.add_any_port(PortMappingProtocol::TCP, own, LEASE, DESCRIPTION).await;
            any.map_err(|_| NoMapping::Refused)?
        }
        Err(_) => return Err(NoMapping::Refused),
    };
    let ip = gateway.get_external_ip().await.map_err(|_| NoMapping::NoAnswer)?;
    let lease = Lease { gateway: Arc::new(gateway), own, external };
    Ok(Mapping { external: SocketAddr::new(ip, external), lease: super::Lease::Upnp(lease) })
}
