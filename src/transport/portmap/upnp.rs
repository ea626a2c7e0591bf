//! UPnP IGD, for routers that speak neither PCP nor NAT-PMP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};
use tokio::time::timeout;

use super::{LEASE, Mapping};
use crate::transport::error::MappingError;

/// UDP port of SSDP, by which routers are found.
const SSDP: u16 = 1900;
/// Limit for the search by multicast.
const SEARCH: Duration = Duration::from_secs(3);
/// Limit for each question to the router.
const ANSWER: Duration = Duration::from_secs(3);
/// The label that the router shows beside the port. Empty: it must not name tete.
const DESCRIPTION: &str = "";

/// A mapping that a router keeps by UPnP.
#[derive(Clone)]
pub struct Lease {
    gateway: Arc<Gateway<Tokio>>,
    own: SocketAddr,
    external: u16,
}

impl Lease {
    /// Extends the lease by its full lifetime.
    pub async fn renew(&self) {
        let add = self.gateway.add_port(PortMappingProtocol::TCP, self.external, self.own, LEASE, DESCRIPTION);
        let _ = timeout(ANSWER, add).await;
    }

    /// Removes the mapping.
    pub async fn remove(self) {
        let _ = self.gateway.remove_port(PortMappingProtocol::TCP, self.external).await;
    }
}

/// Asks the router for a port that leads to `own`. Answers from other devices are ignored.
pub async fn ask(router: Ipv4Addr, own: SocketAddr) -> Result<Mapping, MappingError> {
    // Multicast first; if another device answers first, ask the default gateway directly.
    for (at, limit) in [(None, SEARCH), (Some(SocketAddr::from((router, SSDP))), ANSWER)] {
        let mut options = SearchOptions::default();
        options.bind_addr = SocketAddr::new(own.ip(), 0);
        options.timeout = Some(limit);
        options.single_search_timeout = Some(limit);
        options.broadcast_address = at.unwrap_or(options.broadcast_address);
        if let Ok(Ok(gateway)) = timeout(limit, search_gateway(options)).await
            && gateway.addr.ip() == IpAddr::from(router)
        {
            return timeout(ANSWER, add(gateway, own)).await.unwrap_or(Err(MappingError::NoAnswer));
        }
    }
    Err(MappingError::NoAnswer)
}

async fn add(gateway: Gateway<Tokio>, own: SocketAddr) -> Result<Mapping, MappingError> {
    let external = match gateway.add_port(PortMappingProtocol::TCP, own.port(), own, LEASE, DESCRIPTION).await {
        Ok(()) => own.port(),
        Err(AddPortError::PortInUse) => {
            let any = gateway.add_any_port(PortMappingProtocol::TCP, own, LEASE, DESCRIPTION).await;
            any.map_err(|_| MappingError::Refused)?
        }
        Err(_) => return Err(MappingError::Refused),
    };
    let ip = gateway.get_external_ip().await.map_err(|_| MappingError::NoAnswer)?;
    let lease = Lease { gateway: Arc::new(gateway), own, external };
    Ok(Mapping { external: SocketAddr::new(ip, external), lease: super::Lease::Upnp(lease) })
}
