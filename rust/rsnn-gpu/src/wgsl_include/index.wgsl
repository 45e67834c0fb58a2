// Position of this workgroup in a grid made by grid_1d.
fn flat_group(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }
// Position of this invocation in such a grid with 256 invocations a workgroup.
fn flat_index(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 { return flat_group(group, groups) * 256u + local; }
// Byte i of a tensor of bool or uint8, four to a word.
fn byte_of(word: u32, i: u32) -> u32 { return (word >> ((i & 3u) * 8u)) & 0xffu; }
