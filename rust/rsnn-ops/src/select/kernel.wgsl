// out[i] = condition ? a : b, all strided (stride 0 broadcasts); condition is bool, a and b of four bytes, out dense.
//#include index
struct P {
//#dims m a b
    n: u32, m_offset: u32, a_offset: u32, b_offset: u32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> condition: array<u32>;
@group(0) @binding(1) var<storage, ${READ}> xa: array<u32>;
@group(0) @binding(2) var<storage, ${READ}> xb: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let at = flat_index(group, groups, local);
    if (at >= p.n) { return; }
    var i = at;
    var m_at = p.m_offset;
    var a_at = p.a_offset;
    var b_at = p.b_offset;
//#walk m a b
    if (byte_of(condition[m_at >> 2u], m_at) != 0u) { out[at] = xa[a_at]; } else { out[at] = xb[b_at]; }
}
