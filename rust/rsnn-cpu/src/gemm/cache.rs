//! Size of the second-level cache, which blocks of A are cut for.

/// Bytes of L2 per core, or half a MiB where the machine does not say.
pub fn l2_bytes() -> usize {
    query().filter(|b| (128 << 10..=16 << 20).contains(b)).unwrap_or(512 << 10)
}

/// CPUID's list of caches: leaf 4 on Intel, 0x8000001D in the same format on AMD.
#[cfg(target_arch = "x86_64")]
fn query() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let (basic, extended) = (__cpuid(0).eax, __cpuid(0x8000_0000).eax);
    let amd = extended >= 0x8000_001d && __cpuid(0x8000_0001).ecx >> 22 & 1 == 1;
    let leaf = match amd {
        true => 0x8000_001d,
        false if basic >= 4 => 4,
        false => return None,
    };
    for i in 0..8 {
        let c = __cpuid_count(leaf, i);
        let (kind, level) = (c.eax & 31, c.eax >> 5 & 7);
        if kind == 0 {
            break;
        }
        if level == 2 && kind != 2 {
            let field = |shift: u32, bits: u32| (c.ebx >> shift & ((1 << bits) - 1)) as usize + 1;
            return Some(field(22, 10) * field(12, 10) * field(0, 12) * (c.ecx as usize + 1));
        }
    }
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn query() -> Option<usize> {
    None
}
