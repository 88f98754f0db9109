// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// What stands behind a TPPE: P-LIF, output slice, and the writer of membranes. T sums of a neuron in, slices of the
// output row out.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: sums at sum_* in the order of their tasks, sum_last with the last of a pixel (see loas_tppe); a neuron's
// spikes and its membrane leave together. Slices at ent_* (see loas_out_slice). With cfg_carry_out the membranes of
// each pixel leave as one write command at cmd_* with its chunks at wr_* (see loas_state_writer); state_idle: none is
// held. Who may stall whom: a slice or a command that is not taken stalls the P-LIF, and that the sums. cfg_* are
// stable while neurons are inside.
//
//   sum -> P-LIF -+-> output slice -> ent
//                 +-> state writer -> cmd, wr
module loas_out_lane #(
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 128,
    parameter integer SLICE_W     = 16,
    parameter integer ACC_W       = 16,
    parameter integer MEM_W       = 24,
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer CARRY       = 1,     // 0: cmd_* and wr_* are idle
    parameter integer POOL_COLS   = 64     // columns of a pixel that is pooled, or whose membranes are carried
) (
    input  wire                           clk,
    input  wire                           rst,

    input  wire [8:0]                     cfg_leak,
    input  wire                           cfg_soft,
    input  wire                           cfg_late,
    input  wire [4:0]                     cfg_steps,    // 1 to T
    input  wire                           cfg_readout,
    input  wire                           cfg_drop_once,
    input  wire                           cfg_carry_out,

    input  wire                           sum_valid,
    output wire                           sum_ready,
    input  wire [T*ACC_W-1:0]             sum_data,
    input  wire [MEM_W-1:0]               sum_bias,
    input  wire [MEM_W-1:0]               sum_threshold,
    input  wire [31:0]                    sum_state,
    input  wire [31:0]                    sum_state_addr,
    input  wire                           sum_last,
    input  wire                           sum_pool_first,
    input  wire                           sum_pool_last,
    input  wire [$clog2(NUM_SLOTS)-1:0]   sum_slot,
    input  wire [$clog2(OUT_ENTRIES)-1:0] sum_out_addr,

    output wire                           ent_valid,
    input  wire                           ent_ready,
    output wire [$clog2(NUM_SLOTS)-1:0]   ent_slot,
    output wire [$clog2(OUT_ENTRIES)-1:0] ent_addr,
    output wire [(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] ent_data,
    output wire [$clog2(SLICE_W+1)-1:0]   ent_count,

    output wire                           state_idle,
    output wire                           cmd_valid,
    input  wire                           cmd_ready,
    output wire [31:0]                    cmd_addr,
    output wire [16:0]                    cmd_chunks,
    output wire                           wr_valid,
    input  wire                           wr_ready,
    output wire [CHUNK_W-1:0]             wr_data
);

    localparam integer SLOT_W = $clog2(NUM_SLOTS);
    localparam integer ADDR_W = $clog2(OUT_ENTRIES);
    localparam integer TAG_W  = 3 + SLOT_W + ADDR_W;

    wire plif_ready;
    wire slice_ready;
    wire state_ready;
    wire state_addr_ready;
    wire neuron_valid;
    wire neuron_last;
    wire neuron_pool_first;
    wire neuron_pool_last;
    wire [SLOT_W-1:0] neuron_slot;
    wire [ADDR_W-1:0] neuron_out_addr;
    wire [T-1:0] neuron_word;
    wire [31:0] neuron_state;

    assign sum_ready = plif_ready & state_addr_ready;

    loas_plif #(
        .T(T),
        .ACC_W(ACC_W),
        .MEM_W(MEM_W),
        .TAG_W(TAG_W),
        .CARRY(CARRY)
    ) plif_inst (
        .clk         (clk),
        .rst         (rst),
        .cfg_leak    (cfg_leak),
        .cfg_soft    (cfg_soft),
        .cfg_late    (cfg_late),
        .cfg_steps   (cfg_steps),
        .cfg_readout (cfg_readout),
        .s_valid     (sum_valid & state_addr_ready),
        .s_ready     (plif_ready),
        .s_sum       (sum_data),
        .s_bias      (sum_bias),
        .s_threshold (sum_threshold),
        .s_state     (sum_state),
        .s_tag       ({sum_pool_last, sum_pool_first, sum_last, sum_slot, sum_out_addr}),
        .m_valid     (neuron_valid),
        .m_ready     (slice_ready & state_ready),
        .m_word      (neuron_word),
        .m_state     (neuron_state),
        .m_tag       ({neuron_pool_last, neuron_pool_first, neuron_last, neuron_slot, neuron_out_addr})
    );

    loas_out_slice #(
        .T(T),
        .SLICE_W(SLICE_W),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .POOL_COLS(POOL_COLS)
    ) slice_inst (
        .clk           (clk),
        .rst           (rst),
        .cfg_readout   (cfg_readout),
        .cfg_drop_once (cfg_drop_once),
        .s_valid       (neuron_valid & state_ready),
        .s_ready       (slice_ready),
        .s_word        (neuron_word),
        .s_value       (neuron_state),
        .s_last        (neuron_last),
        .s_pool_first  (neuron_pool_first),
        .s_pool_last   (neuron_pool_last),
        .s_slot        (neuron_slot),
        .s_out_addr    (neuron_out_addr),
        .ent_valid     (ent_valid),
        .ent_ready     (ent_ready),
        .ent_slot      (ent_slot),
        .ent_addr      (ent_addr),
        .ent_data      (ent_data),
        .ent_count     (ent_count)
    );

    generate
        if (CARRY != 0) begin : gen_state
            wire writer_ready;
            wire writer_addr_ready;
            loas_state_writer #(
                .CHUNK_W(CHUNK_W),
                .COLS(POOL_COLS)
            ) writer_inst (
                .clk        (clk),
                .rst        (rst),
                .idle       (state_idle),
                .a_valid    (sum_valid & plif_ready & sum_last & cfg_carry_out),
                .a_ready    (writer_addr_ready),
                .a_addr     (sum_state_addr),
                .s_valid    (neuron_valid & slice_ready & cfg_carry_out),
                .s_ready    (writer_ready),
                .s_state    (neuron_state),
                .s_last     (neuron_last),
                .cmd_valid  (cmd_valid),
                .cmd_ready  (cmd_ready),
                .cmd_addr   (cmd_addr),
                .cmd_chunks (cmd_chunks),
                .wr_valid   (wr_valid),
                .wr_ready   (wr_ready),
                .wr_data    (wr_data)
            );
            assign state_ready      = writer_ready | ~cfg_carry_out;
            assign state_addr_ready = writer_addr_ready | ~cfg_carry_out;
        end else begin : gen_no_state
            assign state_ready      = 1'b1;
            assign state_addr_ready = 1'b1;
            assign state_idle       = 1'b1;
            assign cmd_valid        = 1'b0;
            assign cmd_addr         = 32'd0;
            assign cmd_chunks       = 17'd0;
            assign wr_valid         = 1'b0;
            assign wr_data          = {CHUNK_W{1'b0}};
            wire unused_state = &{1'b0, sum_state_addr, cfg_carry_out, cmd_ready, wr_ready};
        end
    endgenerate

endmodule

`resetall
