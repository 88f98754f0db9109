// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Stops the build when parameters break a rule.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: for legal parameters this module is empty. Else it instantiates a module that does not exist and whose name
// spells the rule, which stops Icarus, Verilator and Yosys alike. golden/config.py holds the same rules.
module loas_param_check #(
    parameter integer T           = 4,
    parameter integer NUM_TPPES   = 2,
    parameter integer CHUNK_W     = 32,
    parameter integer WINDOW      = 2,
    parameter integer SLICE_W     = 8,
    parameter integer WEIGHT_W    = 8,
    parameter integer ACC_W       = 16,
    parameter integer MEM_W       = 24,
    parameter integer K_MAX       = 512,
    parameter integer LAGGY       = 1,
    parameter integer SEQUENTIAL  = 0,
    parameter integer DEEP        = 0,
    parameter integer FIFO_DEPTH  = 8,
    parameter integer INDEX_RATE  = 2,
    parameter integer CARRY       = 1,
    parameter integer AXI_W       = 32,
    parameter integer LINE_W      = 128,
    parameter integer NUM_BANKS   = 2,
    parameter integer NUM_WAYS    = 2,
    parameter integer NUM_SETS    = 4,
    parameter integer OUTSTANDING = 4,
    parameter integer OUT_ENTRIES = 256,
    parameter integer NUM_SLOTS   = 8
);

    generate
        if (T < 1 || T > 16) begin : gen_t
            loas_rule_T_must_be_1_to_16 rule_inst ();
        end
        if (NUM_TPPES < 1 || NUM_TPPES > 64) begin : gen_num_tppes
            loas_rule_NUM_TPPES_must_be_1_to_64 rule_inst ();
        end
        if (CHUNK_W < 32 || CHUNK_W > 512 || (CHUNK_W & (CHUNK_W - 1)) != 0) begin : gen_chunk_w
            loas_rule_CHUNK_W_must_be_a_power_of_two_32_to_512 rule_inst ();
        end
        if ((WINDOW != 1 && WINDOW != 2 && WINDOW != 4) || WINDOW * CHUNK_W > 512
            || K_MAX % (WINDOW * CHUNK_W) != 0) begin : gen_window
            loas_rule_WINDOW_must_be_1_2_or_4_with_CHUNK_W_at_most_512_and_a_divisor_of_K_MAX rule_inst ();
        end
        if (SLICE_W < 4 || SLICE_W > 64 || SLICE_W > CHUNK_W || (SLICE_W & (SLICE_W - 1)) != 0) begin : gen_slice_w
            loas_rule_SLICE_W_must_be_a_power_of_two_4_to_64_at_most_CHUNK_W rule_inst ();
        end
        if (WEIGHT_W < 4 || WEIGHT_W > 8) begin : gen_weight_w
            loas_rule_WEIGHT_W_must_be_4_to_8 rule_inst ();
        end
        if (ACC_W <= WEIGHT_W || ACC_W > 31) begin : gen_acc_w
            loas_rule_ACC_W_must_be_above_WEIGHT_W_and_at_most_31 rule_inst ();
        end
        if (MEM_W <= ACC_W || MEM_W > 32) begin : gen_mem_w
            loas_rule_MEM_W_must_be_above_ACC_W_and_at_most_32 rule_inst ();
        end
        if (K_MAX < CHUNK_W || K_MAX > 65536
            || (CHUNK_W > 0 && K_MAX % (CHUNK_W > 0 ? CHUNK_W : 1) != 0)) begin : gen_k_max
            loas_rule_K_MAX_must_be_a_multiple_of_CHUNK_W_at_most_65536 rule_inst ();
        end
        if (LAGGY != 0 && LAGGY != 1) begin : gen_laggy
            loas_rule_LAGGY_must_be_0_or_1 rule_inst ();
        end
        if ((SEQUENTIAL != 0 && SEQUENTIAL != 1) || (SEQUENTIAL != 0 && LAGGY != 0)) begin : gen_sequential
            loas_rule_SEQUENTIAL_must_be_0_or_1_and_0_with_LAGGY rule_inst ();
        end
        if (DEEP != 0 && DEEP != 1) begin : gen_deep
            loas_rule_DEEP_must_be_0_or_1 rule_inst ();
        end
        if (FIFO_DEPTH < 2 || FIFO_DEPTH > 64 || (FIFO_DEPTH & (FIFO_DEPTH - 1)) != 0) begin : gen_fifo_depth
            loas_rule_FIFO_DEPTH_must_be_a_power_of_two_2_to_64 rule_inst ();
        end
        if ((INDEX_RATE != 0 && INDEX_RATE != 1 && INDEX_RATE != 2 && INDEX_RATE != 4 && INDEX_RATE != 8)
            || 8 * INDEX_RATE > CHUNK_W) begin : gen_index_rate
            loas_rule_INDEX_RATE_must_be_0_1_2_4_or_8_and_at_most_CHUNK_W_by_8 rule_inst ();
        end
        if (CARRY != 0 && CARRY != 1) begin : gen_carry
            loas_rule_CARRY_must_be_0_or_1 rule_inst ();
        end
        if (AXI_W < 32 || AXI_W > 1024 || (AXI_W & (AXI_W - 1)) != 0) begin : gen_axi_w
            loas_rule_AXI_W_must_be_a_power_of_two_32_to_1024 rule_inst ();
        end
        if (LINE_W < 128 || LINE_W > 2048 || LINE_W < CHUNK_W || LINE_W < AXI_W
            || (LINE_W & (LINE_W - 1)) != 0) begin : gen_line_w
            loas_rule_LINE_W_must_be_a_power_of_two_128_to_2048_at_least_CHUNK_W_and_AXI_W rule_inst ();
        end
        if (NUM_BANKS < 1 || NUM_BANKS > 64 || (NUM_BANKS & (NUM_BANKS - 1)) != 0) begin : gen_num_banks
            loas_rule_NUM_BANKS_must_be_a_power_of_two_1_to_64 rule_inst ();
        end
        if (NUM_WAYS < 1 || NUM_WAYS > 16 || (NUM_WAYS & (NUM_WAYS - 1)) != 0) begin : gen_num_ways
            loas_rule_NUM_WAYS_must_be_a_power_of_two_1_to_16 rule_inst ();
        end
        if (NUM_SETS < 2 || NUM_SETS > 4096 || (NUM_SETS & (NUM_SETS - 1)) != 0) begin : gen_num_sets
            loas_rule_NUM_SETS_must_be_a_power_of_two_2_to_4096 rule_inst ();
        end
        if (OUTSTANDING < 2 || OUTSTANDING > 64 || (OUTSTANDING & (OUTSTANDING - 1)) != 0) begin : gen_outstanding
            loas_rule_OUTSTANDING_must_be_a_power_of_two_2_to_64 rule_inst ();
        end
        if (OUT_ENTRIES * SLICE_W < 2 * K_MAX || OUT_ENTRIES > 65536
            || (OUT_ENTRIES & (OUT_ENTRIES - 1)) != 0) begin : gen_out_entries
            loas_rule_OUT_ENTRIES_must_be_a_power_of_two_for_two_rows_of_K_MAX_at_most_65536 rule_inst ();
        end
        if (NUM_SLOTS < 2 || NUM_SLOTS > 128 || (NUM_SLOTS & (NUM_SLOTS - 1)) != 0) begin : gen_num_slots
            loas_rule_NUM_SLOTS_must_be_a_power_of_two_2_to_128 rule_inst ();
        end
    endgenerate

endmodule

`resetall
