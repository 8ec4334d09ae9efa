use proptest::prelude::*;

use super::*;

const PLAIN: [u8; HEADER_SIZE] = [0; HEADER_SIZE];

/// An IPv4 or IPv6 frame around TCP or UDP bytes, whose checksum is zero.
fn frame(version4: bool, protocol: u8, carried: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    let length = u16::try_from(carried.len()).unwrap();
    if version4 {
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend((length + 20).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]);
    } else {
        frame.extend([0x86, 0xDD, 0x60, 0, 0, 0]);
        frame.extend(length.to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend([0xFE; 32]);
    }
    frame.extend(carried);
    let start = frame.len() - carried.len();
    let field = start + if protocol == TCP { 16 } else { 6 };
    frame[field..field + 2].fill(0);
    frame
}

/// What NIC or kernel do with `csum_start` and `csum_offset` (virtio 1.2 §5.1.6.2).
fn complete(header: &[u8; HEADER_SIZE], frame: &mut [u8]) {
    let start = usize::from(u16::from_ne_bytes([header[6], header[7]]));
    let offset = usize::from(u16::from_ne_bytes([header[8], header[9]]));
    let checksum = !sum(&frame[start..]);
    frame[start + offset..start + offset + 2].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn the_sum_of_rfc_1071() {
    assert_eq!(sum(&[0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]), 0xDDF2); // its §3
    assert_eq!(sum(&[0x12]), 0x1200);
    assert_eq!(sum(&[]), 0);
}

#[test]
fn what_the_nic_verified_or_left_open_is_not_verified_again() {
    let mut wrong = frame(true, TCP, &[7; 40]);
    wrong[14 + 20 + 16] = 0x55;
    assert!(!admit(&PLAIN, &wrong));
    for flags in [NEEDS_CHECKSUM, DATA_VALID] {
        let mut header = PLAIN;
        header[0] = flags;
        assert!(admit(&header, &wrong));
    }
}

#[test]
fn udp_without_checksum_is_legal_in_version_4_only() {
    assert!(admit(&PLAIN, &frame(true, UDP, &[9; 30])));
    assert!(!admit(&PLAIN, &frame(false, UDP, &[9; 30])));
}

#[test]
fn pieces_of_ip_packets_stay_outside_and_arp_comes_in() {
    let mut piece = frame(true, UDP, &[0; 30]); // without checksum, so that only the flag decides
    assert!(admit(&PLAIN, &piece));
    piece[20] |= 0x20; // more fragments
    assert!(!admit(&PLAIN, &piece));
    assert!(!admit(&PLAIN, &frame(true, UDP, &[0; 30])[..50]));
    let mut arp = [0; 42];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert!(admit(&PLAIN, &arp));
}

#[test]
fn the_window_is_one_unit_smaller_but_not_in_a_syn() {
    let window = |flags: u8, window: u16| {
        let mut segment = [0; 20];
        segment[13] = flags;
        segment[14..16].copy_from_slice(&window.to_be_bytes());
        let mut sent = frame(false, TCP, &segment);
        finish(&mut sent);
        half(&sent, sent.len() - 6).unwrap()
    };
    assert_eq!(
        (window(0x10, 500), window(0x10, 0), window(0x12, 500)),
        (499, 0, 500)
    );
}

proptest! {
    #[test]
    fn a_deferred_checksum_finished_by_the_nic_is_right(
        version4: bool,
        tcp: bool,
        carried in prop::collection::vec(any::<u8>(), 20..200),
        damaged: prop::sample::Index,
    ) {
        let protocol = if tcp { TCP } else { UDP };
        let mut sent = frame(version4, protocol, &carried);
        let header = finish(&mut sent);
        prop_assert_eq!(header[0], NEEDS_CHECKSUM);
        complete(&header, &mut sent);
        prop_assert!(admit(&PLAIN, &sent));
        let start = sent.len() - carried.len();
        let at = start + damaged.index(carried.len());
        sent[at] ^= 0x10;
        let gone = version4 && !tcp && sent[start + 6..start + 8] == [0, 0];
        prop_assert_eq!(admit(&PLAIN, &sent), gone);
    }

    #[test]
    fn no_bytes_make_it_panic(
        kind in prop::sample::select(vec![[0x08, 0x00], [0x86, 0xDD], [0x08, 0x06]]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..120),
        ihl in 0_u8..16,
        protocol in prop::sample::select(vec![HOP_BY_HOP, TCP, UDP, 44, 58]),
    ) {
        if let Some(field) = bytes.get_mut(12..14) {
            field.copy_from_slice(&kind);
        }
        for (at, value) in [(14, 0x40 | ihl), (16, 0), (20, 0), (21, 0), (23, protocol), (18, 0)] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let _ = admit(&PLAIN, &bytes);
        let _ = finish(&mut bytes);
    }
}
