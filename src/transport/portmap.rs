//! Port mappings: a router passes a port on to this machine.
//!
//! Asked by PCP (RFC 6887), which falls back to NAT-PMP (RFC 6886), and with the feature `upnp` by UPnP IGD if the router
//! speaks neither.

#[cfg(feature = "upnp")]
mod upnp;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    InternetProtocol, MappingFailure, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig, natpmp, pcp,
};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::error::MappingError;
use crate::address::Scope;

/// Lifetime of a mapping in seconds. The router ends it if this program cannot.
const LEASE: u32 = 600;
/// Longest pause between two renewals.
const RENEWAL: Duration = Duration::from_secs(60);
/// Limit for the whole conversation with the router. The invite waits for it.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause until the first question is repeated.
const REPEAT: Duration = Duration::from_millis(250);
/// Limit for the removal of a mapping.
const REMOVAL: Duration = Duration::from_secs(1);

/// A port of the router that leads to this machine.
pub struct Mapping {
    /// The address on the internet.
    pub external: SocketAddr,
    lease: Lease,
}

/// The part of a mapping that is renewed and given back.
#[derive(Clone)]
pub enum Lease {
    /// A lease by PCP or NAT-PMP.
    Pcp(PortMapping),
    /// A lease by UPnP.
    #[cfg(feature = "upnp")]
    Upnp(upnp::Lease),
}

impl Mapping {
    /// Asks the router of this machine to map a port.
    pub async fn new(port: u16) -> Result<Self, MappingError> {
        let port = NonZeroU16::new(port).ok_or(MappingError::Refused)?;
        let router = router().ok_or(MappingError::NoRouter)?;
        let own = own(router).await.map_err(|_| MappingError::NoRouter)?;
        // A mapping that arrives after the limit is given back.
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            if let Err(Ok(late)) = tell.send(by_pcp(router, own, port).await) {
                late.remove().await;
            }
        });
        let asked = timeout(ANSWER, told).await.ok().and_then(Result::ok).unwrap_or(Err(MappingError::NoAnswer));
        #[cfg(feature = "upnp")]
        let asked = match asked {
            Err(_) => upnp::ask(router, SocketAddr::new(own, port.get())).await,
            asked => asked,
        };
        let mapping = asked?;
        if Scope::of(mapping.external.ip()) == Scope::Global {
            return Ok(mapping);
        }
        let external = mapping.external.ip();
        mapping.remove().await;
        Err(MappingError::Useless { address: external })
    }

    /// Renews a lease for ever, long before it ends: the router may restart and forget it, and this machine may sleep.
    pub async fn keep(mut lease: Lease) {
        loop {
            let seconds = match &lease {
                Lease::Pcp(mapping) => mapping.lifetime(),
                #[cfg(feature = "upnp")]
                Lease::Upnp(_) => LEASE,
            };
            sleep((Duration::from_secs(seconds.clamp(20, LEASE).into()) / 2).min(RENEWAL)).await;
            match &mut lease {
                Lease::Pcp(mapping) => drop(mapping.renew().await),
                #[cfg(feature = "upnp")]
                Lease::Upnp(lease) => lease.renew().await,
            }
        }
    }

    /// The lease that [`keep`](Self::keep) renews.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Removes the mapping from the router.
    pub async fn remove(self) {
        let removing = async {
            match self.lease {
                Lease::Pcp(mapping) => drop(mapping.try_drop().await),
                #[cfg(feature = "upnp")]
                Lease::Upnp(lease) => lease.remove().await,
            }
        };
        let _ = timeout(REMOVAL, removing).await;
    }
}

/// The router of this machine, if there is one.
pub fn router() -> Option<Ipv4Addr> {
    router_in(&fs::read_to_string("/proc/net/route").ok()?)
}

/// The address of this machine on the network of the router.
async fn own(router: Ipv4Addr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect((router, crab_nat::GATEWAY_PORT)).await?;
    Ok(socket.local_addr()?.ip())
}

async fn by_pcp(router: Ipv4Addr, own: IpAddr, port: NonZeroU16) -> Result<Mapping, MappingError> {
    let patience = TimeoutConfig { initial_timeout: REPEAT, max_retries: 2, max_retry_timeout: None };
    let options =
        PortMappingOptions { external_port: Some(port), lifetime_seconds: Some(LEASE), timeout_config: Some(patience) };
    let asked = PortMapping::new(IpAddr::from(router).into(), own, InternetProtocol::Tcp, port, options);
    let mapping = asked.await.map_err(|failure| match failure {
        MappingFailure::Pcp(pcp::Failure::Socket(_) | pcp::Failure::Timeout) => MappingError::NoAnswer,
        MappingFailure::NatPmp(natpmp::Failure::Socket(_) | natpmp::Failure::Timeout) => MappingError::NoAnswer,
        _ => MappingError::Refused,
    })?;
    let told = match mapping.mapping_type() {
        PortMappingType::Pcp { external_ip, .. } => Ok(external_ip.to_canonical()),
        PortMappingType::NatPmp => {
            natpmp::external_address(IpAddr::from(router).into(), Some(patience)).await.map(IpAddr::from)
        }
    };
    let port = mapping.external_port().get();
    let lease = Lease::Pcp(mapping);
    match told {
        Ok(ip) => Ok(Mapping { external: SocketAddr::new(ip, port), lease }),
        Err(_) => {
            Mapping { external: SocketAddr::new(own, port), lease }.remove().await;
            Err(MappingError::NoAnswer)
        }
    }
}

/// The IPv4 gateway in `/proc/net/route`: that of the default route with the lowest metric.
fn router_in(table: &str) -> Option<Ipv4Addr> {
    let route = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let (destination, gateway, metric) = (columns.get(1)?, columns.get(2)?, columns.get(6)?);
        let gateway = u32::from_str_radix(gateway, 16).ok().filter(|gateway| *gateway != 0)?;
        (*destination == "00000000").then(|| (metric.parse::<u32>().ok(), Ipv4Addr::from(gateway.to_le_bytes())))
    };
    table
        .lines()
        .skip(1)
        .filter_map(route)
        .min_by_key(|(metric, _)| metric.unwrap_or(u32::MAX))
        .map(|(_, router)| router)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_is_that_of_the_best_default_route() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                     wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\n\
                     eth0\t00000000\tFE01A8C0\t0003\t0\t0\t100\t00000000\n\
                     eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\n";
        assert_eq!(router_in(table), Some(Ipv4Addr::new(192, 168, 1, 254)));
        assert_eq!(router_in("Iface\n"), None);
        assert_eq!(router_in("Iface\nx\t00000000\tzz\t0\t0\t0\t0"), None);
    }
}
