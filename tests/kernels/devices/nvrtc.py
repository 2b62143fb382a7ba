"""NVRTC, from its package: compiles CUDA sources to machine code for a GPU that need not be here."""

from __future__ import annotations

import re

from cuda.bindings import nvrtc

from headrace_kernels.cuda.source import FOLDER, OPTIONS


class CompileError(AssertionError):
    """The source does not compile; the message is the compiler's."""


def compile_source(source, architecture):
    """Machine code of a source for, say, `sm_90`, and what the assembler says of each kernel.

    Returns:
        The code, and (registers, bytes of spills) by kernel.
    """
    program = _checked(nvrtc.nvrtcCreateProgram(source.text.encode(), source.path.name.encode(), 0, [], []))
    options = [*OPTIONS, f"-I{FOLDER}", f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    (result,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    size = _checked(nvrtc.nvrtcGetProgramLogSize(program))
    log = b" " * size
    _checked(nvrtc.nvrtcGetProgramLog(program, log))
    text = log.decode(errors="replace").rstrip("\0 \n")
    if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise CompileError(f"{source.path} for {architecture}:\n{text}")
    code = b" " * _checked(nvrtc.nvrtcGetCUBINSize(program))
    _checked(nvrtc.nvrtcGetCUBIN(program, code))
    return code, _resources(text), text


def _resources(log):
    found = {}
    for name, body in re.findall(
        r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", log, re.DOTALL
    ):
        registers = re.search(r"Used (\d+) registers", body)
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", body)
        found[name] = (int(registers[1]) if registers else 0, int(spills[1]) + int(spills[2]) if spills else 0)
    return found


def _checked(answer):
    result, *values = answer
    if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise CompileError(nvrtc.nvrtcGetErrorString(result)[1].decode())
    return values[0] if values else None
