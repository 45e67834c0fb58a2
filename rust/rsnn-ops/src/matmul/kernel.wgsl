// c = a b, batched over two outer dimensions; any row and column strides for a and b.
// One workgroup makes a 64x64 tile of c, 16 of k at a time; each invocation a 4x4 part of it.
struct P {
    m: u32, n: u32, k: u32, batch1: u32,
    a_row: u32, a_col: u32, b_row: u32, b_col: u32,
    a_batch0: u32, a_batch1: u32, b_batch0: u32, b_batch1: u32,
    a_offset: u32, b_offset: u32, c_offset: u32, c_row: u32,
    c_batch0: u32, c_batch1: u32, first_batch: u32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> a: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

// Rows of 16 vec4 (64 values) and one of padding.
var<workgroup> tile_a: array<vec4<f32>, 272>;
var<workgroup> tile_b: array<vec4<f32>, 272>;

fn store(base: u32, row: u32, col: u32, value: vec4<f32>) {
    if (row >= p.m) { return; }
    for (var j = 0u; j < 4u; j++) {
        if (col + j < p.n) { c[base + row * p.c_row + col + j] = value[j]; }
    }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let batch = group.z + p.first_batch;
    let z0 = batch / p.batch1;
    let z1 = batch - z0 * p.batch1;
    let a_base = p.a_offset + z0 * p.a_batch0 + z1 * p.a_batch1;
    let b_base = p.b_offset + z0 * p.b_batch0 + z1 * p.b_batch1;
    let row0 = group.y * 64u;
    let col0 = group.x * 64u;
    let tx = local & 15u;
    let ty = local >> 4u;
    var acc0 = vec4<f32>();
    var acc1 = vec4<f32>();
    var acc2 = vec4<f32>();
    var acc3 = vec4<f32>();
    for (var k0 = 0u; k0 < p.k; k0 += 16u) {
        for (var t = 0u; t < 4u; t++) {
            // Neighbouring invocations read along the dense direction.
//#if A_COLUMNS
            let ar = local & 63u;
            let ak = (local >> 6u) + t * 4u;
//#else
            let ak = local & 15u;
            let ar = (local >> 4u) + t * 16u;
//#endif
            var va = 0.0;
            if (row0 + ar < p.m && k0 + ak < p.k) { va = a[a_base + (row0 + ar) * p.a_row + (k0 + ak) * p.a_col]; }
            tile_a[ak * 17u + (ar >> 2u)][ar & 3u] = va;
//#if B_COLUMNS
            let bk = local & 15u;
            let bc = (local >> 4u) + t * 16u;
//#else
            let bc = local & 63u;
            let bk = (local >> 6u) + t * 4u;
//#endif
            var vb = 0.0;
            if (col0 + bc < p.n && k0 + bk < p.k) { vb = b[b_base + (k0 + bk) * p.b_row + (col0 + bc) * p.b_col]; }
            tile_b[bk * 17u + (bc >> 2u)][bc & 3u] = vb;
        }
        workgroupBarrier();
        for (var kk = 0u; kk < 16u; kk++) {
            let va = tile_a[kk * 17u + ty];
            let vb = tile_b[kk * 17u + tx];
            acc0 += va.x * vb;
            acc1 += va.y * vb;
            acc2 += va.z * vb;
            acc3 += va.w * vb;
        }
        workgroupBarrier();
    }
    let c_base = p.c_offset + z0 * p.c_batch0 + z1 * p.c_batch1;
    let row = row0 + ty * 4u;
    let col = col0 + tx * 4u;
    store(c_base, row, col, acc0);
    store(c_base, row + 1u, col, acc1);
    store(c_base, row + 2u, col, acc2);
    store(c_base, row + 3u, col, acc3);
}
