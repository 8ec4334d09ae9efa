//! An Ethernet segment between machines: what one sends, all others hear.
//!
//! QEMU's stream backend carries frames over loopback TCP, each behind its length (u32, big-endian); the segment is
//! a hub in this process. Frames can be lost at a rate, and a cable can be pulled without its machine's notice.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

/// Longest frame a port takes; QEMU sends up to 64 KiB with segmentation offload, and a header.
const LONGEST: usize = 68 * 1024;

/// Ports a segment may have.
const PORTS: usize = 64;

/// A segment; it lives as long as the value and the machines at it.
#[derive(Clone, Debug)]
pub struct Network {
    address: SocketAddr,
    hub: Arc<Mutex<Hub>>,
}

#[derive(Debug, Default)]
struct Hub {
    ports: Vec<Port>,
    frames: u64,
    /// One frame in so many is lost, 0 for none.
    lose_one_in: u64,
}

#[derive(Debug)]
struct Port {
    stream: TcpStream,
    plugged: bool,
    gone: bool,
}

impl Network {
    /// A segment without machines.
    pub fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let network = Self {
            address: listener.local_addr()?,
            hub: Arc::default(),
        };
        let hub = Arc::downgrade(&network.hub);
        thread::Builder::new().name("network".into()).spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Some(hub)) = (stream, hub.upgrade()) else {
                    return;
                };
                // A machine whose port fails has no network, which its test will notice.
                let _ = join(&hub, stream);
            }
        })?;
        Ok(network)
    }

    /// QEMU's backend of a NIC at this segment.
    pub(crate) fn backend(&self, id: &str) -> String {
        format!("socket,id={id},connect={}", self.address)
    }

    /// Machines that were ever connected.
    pub fn ports(&self) -> usize {
        lock(&self.hub).ports.len()
    }

    /// Pulls the cable of a port, or puts it in; ports count from 0 in the order in which the machines came.
    pub fn plug(&self, port: usize, plugged: bool) {
        if let Some(port) = lock(&self.hub).ports.get_mut(port) {
            port.plugged = plugged;
        }
    }

    /// Loses one frame in so many; 0 for none.
    pub fn lose_one_in(&self, frames: u64) {
        lock(&self.hub).lose_one_in = frames;
    }

    /// Frames that were sent by any machine.
    pub fn frames(&self) -> u64 {
        lock(&self.hub).frames
    }
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Network {
    fn drop(&mut self) {
        // The last one wakes the listener, which finds the hub gone; the machines' ends end with the machines.
        if Arc::strong_count(&self.hub) == 1 {
            self.hub = Arc::default();
            drop(TcpStream::connect(self.address));
        }
    }
}

/// Takes a machine in and repeats its frames to the others until it goes.
fn join(hub: &Arc<Mutex<Hub>>, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let from = {
        let mut hub = lock(hub);
        if hub.ports.len() == PORTS {
            return Ok(());
        }
        hub.ports.push(Port {
            stream: stream.try_clone()?,
            plugged: true,
            gone: false,
        });
        hub.ports.len() - 1
    };
    let hub = Arc::downgrade(hub);
    thread::Builder::new().name("port".into()).spawn(move || {
        let mut stream = stream;
        let mut frame = vec![0; 4 + LONGEST];
        while let Some(length) = receive(&mut stream, &mut frame)
            && let Some(hub) = hub.upgrade()
        {
            lock(&hub).repeat(from, frame.get(..length).unwrap_or_default());
        }
        if let Some(hub) = hub.upgrade()
            && let Some(port) = lock(&hub).ports.get_mut(from)
        {
            port.gone = true;
        }
    })?;
    Ok(())
}

/// One frame with its length before it; the bytes of both.
fn receive(stream: &mut TcpStream, frame: &mut [u8]) -> Option<usize> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let all = 4 + usize::try_from(u32::from_be_bytes(length)).ok()?;
    frame.get_mut(..4)?.copy_from_slice(&length);
    stream.read_exact(frame.get_mut(4..all)?).ok()?;
    Some(all)
}

impl Hub {
    fn repeat(&mut self, from: usize, frame: &[u8]) {
        self.frames += 1;
        let lost = self.lose_one_in != 0 && self.frames.is_multiple_of(self.lose_one_in);
        let plugged = self.ports.get(from).is_some_and(|port| port.plugged);
        if lost || !plugged {
            return;
        }
        for (number, port) in self.ports.iter_mut().enumerate() {
            if number != from && port.plugged && !port.gone {
                port.gone = port.stream.write_all(frame).is_err();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn machine(network: &Network) -> Result<TcpStream> {
        let before = network.ports();
        let stream = TcpStream::connect(network.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        crate::until("the port", Duration::from_secs(10), || {
            Ok((network.ports() > before).then_some(()))
        })?;
        Ok(stream)
    }

    fn send(stream: &mut TcpStream, text: &[u8]) -> Result<()> {
        stream.write_all(&u32::try_from(text.len())?.to_be_bytes())?;
        Ok(stream.write_all(text)?)
    }

    fn hear(stream: &mut TcpStream) -> Result<Vec<u8>> {
        let mut frame = [0; 256];
        let length = receive(stream, &mut frame).ok_or_else(|| anyhow::anyhow!("silence"))?;
        Ok(frame.get(4..length).unwrap_or_default().to_vec())
    }

    #[test]
    fn all_others_hear_a_frame_unless_a_cable_is_pulled() -> Result<()> {
        let network = Network::new()?;
        let (mut a, mut b, mut c) = (machine(&network)?, machine(&network)?, machine(&network)?);
        send(&mut a, b"to all")?;
        assert_eq!(
            (hear(&mut b)?, hear(&mut c)?),
            (b"to all".to_vec(), b"to all".to_vec())
        );
        network.plug(1, false);
        send(&mut a, b"to c")?;
        assert_eq!(hear(&mut c)?, b"to c");
        network.plug(1, true);
        send(&mut c, b"again")?;
        assert_eq!(
            (hear(&mut b)?, hear(&mut a)?),
            (b"again".to_vec(), b"again".to_vec())
        );
        Ok(())
    }
}
