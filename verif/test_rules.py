"""Illegal parameters of any block stop Icarus and Verilator, with the rule in the message."""
from __future__ import annotations

import re
import subprocess

import pytest

from scripts.verilator import verilator_env
from verif.lib.sim import RTL, rtl_sources

# One line a condition; test_param_check.py does this for the parameters of the machine.
ILLEGAL: list[tuple[str, dict[str, int], str]] = [
    ("loas_arb_rr", {"N": 0}, "arb_rr_N_must_be_at_least_1"),
    ("loas_at_most_one", {"W": 0}, "at_most_one_W_must_be_at_least_1"),
    ("loas_compact_slice", {"SLICE_W": 0}, "compact_slice_SLICE_W_and_WORD_W_must_be_at_least_1"),
    ("loas_compact_slice", {"WORD_W": 0}, "compact_slice_SLICE_W_and_WORD_W_must_be_at_least_1"),
    ("loas_fifo", {"W": 0}, "fifo_W_and_DEPTH_must_be_at_least_1"),
    ("loas_fifo", {"DEPTH": 0}, "fifo_W_and_DEPTH_must_be_at_least_1"),
    ("loas_fifo_ram", {"W": 0}, "fifo_ram_DEPTH_must_be_a_power_of_two_from_4"),
    ("loas_fifo_ram", {"DEPTH": 12}, "fifo_ram_DEPTH_must_be_a_power_of_two_from_4"),
    ("loas_fifo_ram", {"DEPTH": 2}, "fifo_ram_DEPTH_must_be_a_power_of_two_from_4"),
    ("loas_join", {"WINDOW": 0}, "join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX"),
    ("loas_join", {"WINDOW": 3, "K_MAX": 768}, "join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX"),
    ("loas_join", {"WINDOW": 4, "K_MAX": 640}, "join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX"),
    ("loas_sparten_join", {"WINDOW": 0}, "sparten_join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX"),
    ("loas_sparten_join", {"WINDOW": 3, "K_MAX": 768}, "sparten_join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX"),
    ("loas_sparten_join", {"WINDOW": 4, "K_MAX": 640}, "sparten_join_WINDOW_must_be_1_2_or_4_chunks_that_divide_K_MAX"),
    ("loas_popcount", {"W": 0}, "popcount_W_must_be_at_least_1"),
    ("loas_prefix_fast", {"W": 0}, "prefix_fast_W_must_be_at_least_1"),
    ("loas_prefix_laggy", {"W": 100, "SLICE_W": 16}, "prefix_laggy_W_must_be_a_multiple_of_SLICE_W"),
    ("loas_prefix_laggy", {"W": 8, "SLICE_W": 16}, "prefix_laggy_W_must_be_a_multiple_of_SLICE_W"),
    ("loas_prefix_laggy", {"SLICE_W": 0}, "prefix_laggy_W_must_be_a_multiple_of_SLICE_W"),
    ("loas_prefix_laggy", {"BASE_W": 4}, "prefix_laggy_BASE_W_must_hold_the_ones_of_a_slice"),
    ("loas_prio_enc", {"W": 0}, "prio_enc_W_must_be_at_least_1"),
    ("loas_skid", {"W": 0}, "skid_W_must_be_at_least_1"),
    ("loas_cut", {"CUT": 3}, "cut_CUT_must_be_0_to_2_and_W_at_least_1"),
    ("loas_cut", {"W": 0}, "cut_CUT_must_be_0_to_2_and_W_at_least_1"),
    ("loas_fork", {"N": 0}, "fork_N_must_be_at_least_1"),
    ("loas_line_port", {"N": 33}, "line_port_N_must_be_at_most_32"),
    ("loas_width_adapter", {"S_W": 24}, "width_adapter_S_W_and_M_W_must_be_powers_of_two_from_8"),
    ("loas_width_adapter", {"S_W": 4}, "width_adapter_S_W_and_M_W_must_be_powers_of_two_from_8"),
    ("loas_width_adapter", {"M_W": 24}, "width_adapter_S_W_and_M_W_must_be_powers_of_two_from_8"),
    ("loas_width_adapter", {"M_W": 4}, "width_adapter_S_W_and_M_W_must_be_powers_of_two_from_8"),
    ("loas_axi_read", {"AXI_W": 48}, "illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024"),
    ("loas_axi_read", {"AXI_W": 16}, "illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024"),
    ("loas_axi_read", {"AXI_W": 2048, "LINE_W": 2048}, "illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024"),
    ("loas_axi_read", {"LINE_W": 512}, "illegal_LINE_W_must_be_a_power_of_two_from_128_and_AXI_W_to_2048"),
    ("loas_axi_read", {"LINE_W": 1536}, "illegal_LINE_W_must_be_a_power_of_two_from_128_and_AXI_W_to_2048"),
    ("loas_axi_read", {"LINE_W": 64, "AXI_W": 32}, "illegal_LINE_W_must_be_a_power_of_two_from_128_and_AXI_W_to_2048"),
    ("loas_axi_read", {"LINE_W": 4096}, "illegal_LINE_W_must_be_a_power_of_two_from_128_and_AXI_W_to_2048"),
    ("loas_axi_read", {"OUTSTANDING": 1}, "illegal_OUTSTANDING_must_be_a_power_of_two_from_2_to_64"),
    ("loas_axi_read", {"OUTSTANDING": 12}, "illegal_OUTSTANDING_must_be_a_power_of_two_from_2_to_64"),
    ("loas_axi_read", {"OUTSTANDING": 128}, "illegal_OUTSTANDING_must_be_a_power_of_two_from_2_to_64"),
    ("loas_axi_write", {"AXI_W": 48}, "illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024"),
    ("loas_axi_write", {"AXI_W": 16}, "illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024"),
    ("loas_axi_write", {"AXI_W": 2048}, "illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024"),
    ("loas_axi_write", {"CHUNK_W": 96}, "illegal_CHUNK_W_must_be_a_power_of_two_from_32_to_512"),
    ("loas_axi_write", {"CHUNK_W": 16}, "illegal_CHUNK_W_must_be_a_power_of_two_from_32_to_512"),
    ("loas_axi_write", {"CHUNK_W": 1024}, "illegal_CHUNK_W_must_be_a_power_of_two_from_32_to_512"),
    ("loas_fiber_cache", {"NUM_PORTS": 1}, "fiber_cache_NUM_PORTS_must_be_2_to_65"),
    ("loas_fiber_cache", {"NUM_PORTS": 66}, "fiber_cache_NUM_PORTS_must_be_2_to_65"),
    ("loas_fiber_cache", {"LINE_W": 64}, "fiber_cache_LINE_W_must_be_a_power_of_two_128_to_2048"),
    ("loas_fiber_cache", {"LINE_W": 384}, "fiber_cache_LINE_W_must_be_a_power_of_two_128_to_2048"),
    ("loas_fiber_cache", {"LINE_W": 4096}, "fiber_cache_LINE_W_must_be_a_power_of_two_128_to_2048"),
    ("loas_fiber_cache", {"NUM_BANKS": 0}, "fiber_cache_NUM_BANKS_must_be_a_power_of_two_1_to_64"),
    ("loas_fiber_cache", {"NUM_BANKS": 3}, "fiber_cache_NUM_BANKS_must_be_a_power_of_two_1_to_64"),
    ("loas_fiber_cache", {"NUM_BANKS": 128}, "fiber_cache_NUM_BANKS_must_be_a_power_of_two_1_to_64"),
    ("loas_fiber_cache", {"NUM_WAYS": 0}, "fiber_cache_NUM_WAYS_must_be_a_power_of_two_1_to_16"),
    ("loas_fiber_cache", {"NUM_WAYS": 6}, "fiber_cache_NUM_WAYS_must_be_a_power_of_two_1_to_16"),
    ("loas_fiber_cache", {"NUM_WAYS": 32}, "fiber_cache_NUM_WAYS_must_be_a_power_of_two_1_to_16"),
    ("loas_fiber_cache", {"NUM_SETS": 1}, "fiber_cache_NUM_SETS_must_be_a_power_of_two_2_to_4096"),
    ("loas_fiber_cache", {"NUM_SETS": 6}, "fiber_cache_NUM_SETS_must_be_a_power_of_two_2_to_4096"),
    ("loas_fiber_cache", {"NUM_SETS": 8192}, "fiber_cache_NUM_SETS_must_be_a_power_of_two_2_to_4096"),
    ("loas_fiber_cache", {"OUTSTANDING": 1}, "fiber_cache_OUTSTANDING_must_be_a_power_of_two_2_to_64"),
    ("loas_fiber_cache", {"OUTSTANDING": 6}, "fiber_cache_OUTSTANDING_must_be_a_power_of_two_2_to_64"),
    ("loas_fiber_cache", {"OUTSTANDING": 128}, "fiber_cache_OUTSTANDING_must_be_a_power_of_two_2_to_64"),
    ("loas_compressor", {"CHUNK_W": 16}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_compressor", {"CHUNK_W": 96, "K_MAX": 960}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_compressor", {"SLICE_W": 1}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_compressor", {"SLICE_W": 12}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_compressor", {"SLICE_W": 256}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_compressor", {"K_MAX": 8000}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_compressor", {"T": 0}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_compressor", {"T": 17}, "compressor_CHUNK_W_must_be_a_power_of_two_from_32_not_below_SLICE_W"),
    ("loas_index_decode", {"CHUNK_W": 16}, "index_decode_CHUNK_W_must_be_a_power_of_two_32_to_512"),
    ("loas_index_decode", {"CHUNK_W": 96}, "index_decode_CHUNK_W_must_be_a_power_of_two_32_to_512"),
    ("loas_index_decode", {"CHUNK_W": 1024}, "index_decode_CHUNK_W_must_be_a_power_of_two_32_to_512"),
    ("loas_index_decode", {"RATE": 0}, "index_decode_RATE_must_be_1_2_4_or_8"),
    ("loas_index_decode", {"RATE": 3}, "index_decode_RATE_must_be_1_2_4_or_8"),
    ("loas_index_decode", {"RATE": 16}, "index_decode_RATE_must_be_1_2_4_or_8"),
    ("loas_index_decode", {"ITEM_W": 16}, "index_decode_ITEM_W_must_be_a_power_of_two_from_8_RATE"),
    ("loas_index_decode", {"ITEM_W": 96}, "index_decode_ITEM_W_must_be_a_power_of_two_from_8_RATE"),
    ("loas_index_decode", {"K_MAX": 64}, "index_decode_K_MAX_must_be_at_least_CHUNK_W"),
    ("loas_out_buffer", {"K_MAX": 8}, "out_buffer_K_MAX_must_be_at_least_SLICE_W"),
    ("loas_out_buffer", {"NUM_SLOTS": 1}, "out_buffer_K_MAX_must_be_at_least_SLICE_W"),
    ("loas_out_buffer", {"OUT_ENTRIES": 1}, "out_buffer_K_MAX_must_be_at_least_SLICE_W"),
    ("loas_out_slice", {"SLICE_W": 1}, "out_slice_SLICE_W_must_be_a_power_of_two_from_2"),
    ("loas_out_slice", {"SLICE_W": 12}, "out_slice_SLICE_W_must_be_a_power_of_two_from_2"),
    ("loas_out_slice", {"NUM_SLOTS": 1}, "out_slice_SLICE_W_must_be_a_power_of_two_from_2"),
    ("loas_out_slice", {"OUT_ENTRIES": 1}, "out_slice_SLICE_W_must_be_a_power_of_two_from_2"),
    ("loas_out_slice", {"POOL_COLS": 1}, "out_slice_POOL_COLS_must_be_a_power_of_two_from_2"),
    ("loas_out_slice", {"POOL_COLS": 48}, "out_slice_POOL_COLS_must_be_a_power_of_two_from_2"),
    ("loas_state_writer", {"CHUNK_W": 16}, "state_writer_COLS_must_be_a_power_of_two_of_a_chunk_or_more"),
    ("loas_state_writer", {"CHUNK_W": 96}, "state_writer_COLS_must_be_a_power_of_two_of_a_chunk_or_more"),
    ("loas_state_writer", {"COLS": 2}, "state_writer_COLS_must_be_a_power_of_two_of_a_chunk_or_more"),
    ("loas_state_writer", {"COLS": 48}, "state_writer_COLS_must_be_a_power_of_two_of_a_chunk_or_more"),
    ("loas_index_decode", {"CHUNK_W": 16, "K_MAX": 512}, "index_decode_CHUNK_W_must_be_a_power_of_two_32_to_512"),
    ("loas_index_decode", {"CHUNK_W": 96, "K_MAX": 960}, "index_decode_CHUNK_W_must_be_a_power_of_two_32_to_512"),
    ("loas_index_decode", {"CHUNK_W": 1024}, "index_decode_CHUNK_W_must_be_a_power_of_two_32_to_512"),
    ("loas_index_decode", {"RATE": 3}, "index_decode_RATE_must_be_1_2_4_or_8"),
    ("loas_index_decode", {"RATE": 16}, "index_decode_RATE_must_be_1_2_4_or_8"),
    ("loas_index_decode", {"ITEM_W": 16}, "index_decode_ITEM_W_must_be_a_power_of_two_from_8_RATE"),
    ("loas_index_decode", {"ITEM_W": 96}, "index_decode_ITEM_W_must_be_a_power_of_two_from_8_RATE"),
    ("loas_index_decode", {"K_MAX": 64}, "index_decode_K_MAX_must_be_at_least_CHUNK_W"),
    ("loas_plif", {"ACC_W": 1}, "plif_MEM_W_must_be_ACC_W_plus_1_to_32"),
    ("loas_plif", {"MEM_W": 16}, "plif_MEM_W_must_be_ACC_W_plus_1_to_32"),
    ("loas_plif", {"MEM_W": 33}, "plif_MEM_W_must_be_ACC_W_plus_1_to_32"),
    ("loas_plif", {"TAG_W": 0}, "plif_MEM_W_must_be_ACC_W_plus_1_to_32"),
    ("loas_stream_reader", {"ITEM_W": 4}, "stream_reader_ITEM_W_must_be_a_power_of_two_8_to_LINE_W"),
    ("loas_stream_reader", {"ITEM_W": 96}, "stream_reader_ITEM_W_must_be_a_power_of_two_8_to_LINE_W"),
    ("loas_stream_reader", {"ITEM_W": 2048}, "stream_reader_ITEM_W_must_be_a_power_of_two_8_to_LINE_W"),
    ("loas_stream_reader", {"LINE_W": 768}, "stream_reader_ITEM_W_must_be_a_power_of_two_8_to_LINE_W"),
    ("loas_stream_reader", {"LINES": 0}, "stream_reader_LINES_must_be_1_or_2"),
    ("loas_stream_reader", {"LINES": 3}, "stream_reader_LINES_must_be_1_or_2"),
    ("loas_stream_reader", {"AHEAD": -1}, "stream_reader_AHEAD_must_be_0_to_15"),
    ("loas_stream_reader", {"AHEAD": 16}, "stream_reader_AHEAD_must_be_0_to_15"),
]


@pytest.mark.parametrize("top,parameters,rule", ILLEGAL, ids=[f"{top}-{values}" for top, values, _ in ILLEGAL])
def test_illegal(sim: str, top: str, parameters: dict[str, int], rule: str) -> None:
    verilator_env()
    folders = [word for folder in sorted({file.parent for file in rtl_sources()}) for word in ("-y", str(folder))]
    if sim == "icarus":
        command = ["iverilog", "-g2005", "-tnull", *folders, f"-I{RTL}", "-s", top]
        command += [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    else:
        command = ["verilator", "--lint-only", "--default-language", "1364-2005", *folders, f"-I{RTL}", "--top-module", top]
        command += [f"-G{name}={value}" for name, value in parameters.items()]
    source = next(file for file in rtl_sources() if file.stem == top)
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert f"loas_{rule}" in done.stdout + done.stderr


def test_every_rule_has_a_line() -> None:
    rules = {(file.stem, rule) for file in rtl_sources() if file.stem != "loas_param_check"
             for rule in re.findall(r"\bloas_(\w+_must_\w+)", file.read_text(encoding="utf-8"))}  # fmt: skip
    assert rules == {(top, rule) for top, _, rule in ILLEGAL}
