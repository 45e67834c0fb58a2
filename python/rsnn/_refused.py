"""Why names of torch are not here: patterns of names and one reason each; the first that matches counts."""

import re

REASONS = (
    (r"(_to_)?sparse|to_sparse|coo$|csr$|csc$|bsr$|bsc$|coalesce|(ccol|col|crow|row)_indices|indices_copy|values_copy|^is_coalesced"
     r"|^h?spmm|^s?spaddmm|^smm|^hsmm|^dsmm|^saddmm|^sspaddmm", "sparse tensors are not supported"),
    (r"jagged|nested|to_padded_tensor", "nested tensors are not supported"),
    (r"quant|^q_|qscheme|^qu?int|^int_repr|^per_(tensor|channel)|^Q[US]?[Ii]nt|QUInt|QInt|^choose_qparams|fbgemm|^fused_moving_avg"
     r"|^ao$", "quantised tensors are not supported"),
    (r"complex|^c?(double|float|half)$|^cdouble|^cfloat|^chalf|^i?stft$|^polar$|^view_as_(real|complex)|^fft$|^eig$|^conj_physical_$|Complex",
     "complex dtypes are not supported"),
    (r"^(u?int[1-7]|uint(16|32|64)|bit.*|float8.*|float4.*)$", "dtypes are float16 to float64, bfloat16, int8 to int64, uint8 and bool"),
    (r"^(cudnn|miopen|mkldnn|xla|mtia|maia|ipu|mps|cpu|vulkan|xpu)|_(ipu|xla)_|(is_|to_)(ipu|maia|mkldnn|mtia|vulkan|xla|mps)|^accelerator$"
     r"|^batch_norm_(stats|elemt|update|gather|backward)|^mtia$|^Stream|^Event$|^record_stream|^get_device_module|_cupti_|DeviceObjType",
     "one vendor's kernels and streams: the GPU is driven through wgpu"),
    (r"^sym_|^Sym|DispatchKey|^ExcludeDispatch|^DisableTorch|^Tag$|^PRIVATE_OPS|^classes$|^ops$|^library$|^overrides$|^fx$|^export$"
     r"|^compiler$|^functional$|^cond$|^while_loop|_copy$|slice_inverse|^package$|^hash_tensor|^const_data_ptr|^dim_order|^grad_dtype"
     r"|^masked$|^futures$|^classproperty", "torch's tracing and dispatch internals"),
    (r"^Script|^JIT|^jit$|Type$|^TracingState|Graph|^Block$|^Value$|^Use$|^Node$|^Argument|^CompilationUnit|^Code$|^CallStack|^Capsule"
     r"|^Concrete|^CompleteArgument|^Interface|^Inferred|^FunctionSchema|^FileCheck|^ErrorReport|^ExecutionPlan|^IODescriptor|^AliasDb|^Lite|Module$"
     r"|^parse_|^import_ir|^merge_type|^unify_type|^fork$|^wait$|^Gradient$|^OperatorInfo|^AggregationType|^AVG$|^SUM$|^Future"
     r"|^StaticModule|^ThroughputBenchmark|^Benchmark|LoggerB?|Logger$|^DeepCopyMemo|SerializationStorageContext|^StringType|^UnionType"
     r"|^monitor$|^(Buffer|Module|Parameter)Dict", "TorchScript is not supported"),
    (r"^(distributed|multiprocessing|distributions|hub|onnx|signal|quasirandom|cpp|storage|testing|windows|torch_version|version|return_types"
     r"|prepare_multiprocessing.*|init_num_threads|profiler|types|module_load)$", "this part of torch is not part of rsnn"),
    (r"Storage|PyTorchFile|storage_type", "storages have no element type here; `untyped_storage` gives the bytes"),
    (r"Tensor$", "old constructors by type: use tensor(..., dtype=...)"),
    (r"^native_|^narrow_copy|^set_output|^thread_safe_generator|^Type$", "building blocks that torch keeps for itself"),
    (r"lowrank|lobpcg", "randomised and iterative factorisations are not supported; `linalg.svd` is exact"),
    (r"^(lstsq|solve|symeig|matrix_rank)$", "removed from torch: use the function of `linalg`"),
    (r"^apply_$|^map_$|^map2_$", "a Python function for each element: use whole-tensor operations"),
    (r"^index$|^rearrange$", "first-class dimensions are not supported"),
    (r"^reinforce$|^volatile$|^legacy_|^has_(lapack|mkl|openmp|spectral)|^compiled_with|^USE_|^get_file_path|Error$|^name$|^names$",
     "torch's build and history"),
    (r"DataPipe|datapipe|^DataChunk|_validation|^non_deterministic", "data pipes: torch itself has given them up; use Dataset and DataLoader"),
    (r"^functionalize$|^debug_unwrap$", "torch's tracing and dispatch internals"),
)  # fmt: skip


def reason(name):
    """Return why torch's `name` is not here, None where nothing is known of it."""
    return next((why for pattern, why in REASONS if re.search(pattern, name)), None)
