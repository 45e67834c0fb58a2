// out[offset + i] = bits, for any type of four bytes.
//#include index
struct P { n: u32, offset: u32, bits: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, local);
    if (i < p.n) { out[p.offset + i] = p.bits; }
}
