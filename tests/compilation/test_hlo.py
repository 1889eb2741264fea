import collections

import jax
import jax.numpy as jnp
import pytest

from wavenet_ae.compilation.hlo import Module
from wavenet_ae.compilation.hlo_text import Array

ONE_AXIS = ("NWC", "WIO", "NWC")
TWO_AXES = ("NHWC", "HWIO", "NHWC")


def convolution(**settings):
    return lambda x, kernel: jax.lax.conv_general_dilated(x, kernel, **settings)


def compiled(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(function).lower(*arguments).compile()


PROGRAMS = {
    "causal": (
        convolution(
            window_strides=(1,), padding=[(8, 0)], rhs_dilation=(4,), dimension_numbers=ONE_AXIS
        ),
        (2, 20, 3),
        (3, 3, 5),
    ),
    "strided": (
        convolution(window_strides=(2, 1), padding="SAME", dimension_numbers=TWO_AXES),
        (2, 9, 7, 3),
        (4, 4, 3, 5),
    ),
    "transposed": (
        convolution(
            window_strides=(1, 1),
            padding=[(2, 1), (2, 2)],
            lhs_dilation=(2, 3),
            dimension_numbers=TWO_AXES,
        ),
        (2, 9, 7, 3),
        (4, 4, 3, 5),
    ),
    "grouped": (
        convolution(
            window_strides=(1,),
            padding="VALID",
            feature_group_count=2,
            dimension_numbers=ONE_AXIS,
        ),
        (2, 20, 4),
        (3, 2, 6),
    ),
    "matrices": (jnp.matmul, (4, 6, 32), (4, 32, 16)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_work_is_what_xla_counts(name):
    program = compiled(*PROGRAMS[name])
    module, theirs = Module(program.as_text()), program.cost_analysis()
    assert module.matrix_flops == theirs["flops"] > 0
    assert module.hbm_bytes == theirs["bytes accessed"]


def test_loops_count_as_often_as_they_run():
    def nested(a, b):
        def inner(c, _):
            return jnp.tanh(c @ b), None

        def outer(c, _):
            return jax.lax.scan(inner, c, length=3)[0], None

        return jax.lax.scan(outer, a, length=7)[0]

    module = Module(compiled(nested, (64, 32), (32, 32)).as_text())
    assert module.matrix_flops == 3 * 7 * 2 * 64 * 32 * 32
    assert module.hbm_bytes > 3 * 7 * 4 * (64 * 32 + 32 * 32)
    assert module.unknown_loops == 0


def test_loops_of_unknown_length_are_told():
    def halve(x):
        return jax.lax.while_loop(lambda y: y.sum() > 1, lambda y: 0.5 * (y @ y), x)

    module = Module(compiled(halve, (8, 8)).as_text())
    assert module.unknown_loops == 1
    assert module.matrix_flops == 2 * 8**3


# As the TPU's compiler writes: memory spaces in the layouts, no length beside a loop.
TPU_TEXT = """\
HloModule jit_step, is_scheduled=true

%add (x: bf16[], y: bf16[]) -> bf16[] {
  %x = bf16[]{:T(256)} parameter(0)
  %y = bf16[]{:T(256)} parameter(1)
  ROOT %sum = bf16[]{:T(256)} add(%x, %y)
}

%write (buffer: bf16[9,2,128], row: bf16[1,2,128], at: s32[]) -> bf16[9,2,128] {
  %buffer = bf16[9,2,128]{2,1,0:T(2,128)(2,1)} parameter(0)
  %row = bf16[1,2,128]{2,1,0:T(2,128)(2,1)S(1)} parameter(1)
  %at = s32[]{:T(128)S(6)} parameter(2)
  %zero = s32[]{:T(128)} constant(0)
  ROOT %put = bf16[9,2,128]{2,1,0:T(2,128)(2,1)} dynamic-update-slice(%buffer, %row, %at, %zero, %zero)
}

%read (buffer.1: bf16[9,2,128], at.1: s32[]) -> bf16[1,2,128] {
  %buffer.1 = bf16[9,2,128]{2,1,0:T(2,128)(2,1)} parameter(0)
  %at.1 = s32[]{:T(128)S(6)} parameter(1)
  %zero.1 = s32[]{:T(128)} constant(0)
  ROOT %get = bf16[1,2,128]{2,1,0:T(2,128)(2,1)S(1)} dynamic-slice(%buffer.1, %at.1, %zero.1, %zero.1), dynamic_slice_sizes={1,2,128}
}

%body (carry: (s32[], bf16[9,2,128])) -> (s32[], bf16[9,2,128]) {
  %carry = (s32[]{:T(128)}, /*index=1*/bf16[9,2,128]{2,1,0:T(2,128)(2,1)}) parameter(0)
  %count = s32[]{:T(128)} get-tuple-element(%carry), index=0
  %past = bf16[9,2,128]{2,1,0:T(2,128)(2,1)} get-tuple-element(%carry), index=1
  %old = bf16[1,2,128]{2,1,0:T(2,128)(2,1)S(1)} fusion(%past, %count), kind=kLoop, calls=%read
  %all = bf16[1,2,128]{2,1,0:T(2,128)(2,1)S(1)} all-reduce(%old), channel_id=1, to_apply=%add
  %new = bf16[9,2,128]{2,1,0:T(2,128)(2,1)} fusion(%past, %all, %count), kind=kLoop, calls=%write
  ROOT %next = (s32[]{:T(128)}, bf16[9,2,128]{2,1,0:T(2,128)(2,1)}) tuple(%count, %new)
}

%condition (carry.1: (s32[], bf16[9,2,128])) -> pred[] {
  %carry.1 = (s32[]{:T(128)}, bf16[9,2,128]{2,1,0:T(2,128)(2,1)}) parameter(0)
  %limit = s32[]{:T(128)} constant(512)
  %count.1 = s32[]{:T(128)} get-tuple-element(%carry.1), index=0
  ROOT %less = pred[]{:T(512)} compare(%count.1, %limit), direction=LT, metadata={op_name="a (b"}
}

ENTRY %main (buffer.2: bf16[9,2,128]) -> bf16[9,2,128] {
  %buffer.2 = bf16[9,2,128]{2,1,0:T(2,128)(2,1)} parameter(0)
  %start = s32[]{:T(128)} constant(2)
  %fetched = (bf16[9,2,128]{2,1,0:T(2,128)(2,1)S(1)}, bf16[9,2,128]{2,1,0:T(2,128)(2,1)}, u32[]{:S(2)}) copy-start(%buffer.2)
  %here = bf16[9,2,128]{2,1,0:T(2,128)(2,1)S(1)} copy-done(%fetched)
  %start.1 = s32[]{:T(128)} copy(%start)
  %first = (s32[]{:T(128)}, bf16[9,2,128]{2,1,0:T(2,128)(2,1)}) tuple(%start.1, %buffer.2)
  %loop = (s32[]{:T(128)}, bf16[9,2,128]{2,1,0:T(2,128)(2,1)}) while(%first), condition=%condition, body=%body
  ROOT %last = bf16[9,2,128]{2,1,0:T(2,128)(2,1)} get-tuple-element(%loop), index=1
}
"""  # noqa: E501


def test_what_a_tpu_moves_and_exchanges():
    module = Module(TPU_TEXT)
    row, buffer, number = 2 * 128 * 2, 9 * 2 * 128 * 2, 4
    # Once: the copy to the chip, and a number that is read and written. In 510 rounds: one row
    # read and one written, since the update is in place, and the number for both.
    assert module.hbm_bytes == buffer + 2 * number + 510 * (2 * row + 2 * number)
    (collective,) = module.collectives
    assert (collective.kind, collective.times, collective.num_bytes) == ("all-reduce", 510, row)
    assert collective.arrays == (Array("bf16", (1, 2, 128), in_hbm=False),)
    assert module.unknown_loops == 0


def test_copies_in_loops_are_found():
    assert not Module(TPU_TEXT).in_loops("copy", "copy-start")
    broken = TPU_TEXT.replace("fusion(%past, %all, %count)", "copy(%past), metadata={}")
    assert Module(broken).in_loops("copy") == collections.Counter({("bf16", (9, 2, 128)): 1})


def test_a_text_without_a_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        Module("HloModule nothing")
