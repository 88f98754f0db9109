// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// From the entries of all lanes to one stream of writes: output buffer, compressor, write multiplexer.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_bundles.vh"

// Problem: rows of the output are finished by many lanes, in any order, and leave as fibers, in order. Membranes of the
// lanes and the control's performance record leave through the same write port.
//
// Contract: a slot is given out at alloc_*, filled by ent_*, and free again at slot_free_* (loas_out_buffer,
// loas_compressor). `done`: all rows of the layer have been handed to the write port. state_* are the write commands of
// the lanes (loas_state_writer); idle: none of them is under way, nor one of the compressor. rec_* is the control's,
// which has the port alone while rec_sel is high: it raises it only when the rest is idle. With DEEP a skid buffer in
// front of the port, so chunks may wait here after their source is idle: whoever wants to know must ask the write
// master too. Bundles are in loas_bundles.vh.
module loas_output #(
    parameter integer NUM_TPPES   = 2,
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 32,
    parameter integer SLICE_W     = 8,
    parameter integer K_MAX       = 512,
    parameter integer OUT_ENTRIES = 256,
    parameter integer NUM_SLOTS   = 8,
    parameter integer DEEP        = 0,
    parameter integer CARRY       = 1      // 0: state_* are not used
) (
    input  wire                                     clk,
    input  wire                                     rst,

    input  wire                                     layer_start,
    input  wire [`LOAS_OUTPUT_CFG_W-1:0]            cfg_output,
    output wire                                     done,
    output wire                                     idle,
    output wire                                     ev_row,

    // slots
    input  wire                                     alloc_valid,
    input  wire [$clog2(NUM_SLOTS)-1:0]             alloc_slot,
    output wire                                     slot_free_valid,
    output wire [$clog2(NUM_SLOTS)-1:0]             slot_free,

    // entries
    input  wire [NUM_TPPES-1:0]                     ent_valid,
    output wire [NUM_TPPES-1:0]                     ent_ready,
    input  wire [NUM_TPPES*$clog2(NUM_SLOTS)-1:0]   ent_slot,
    input  wire [NUM_TPPES*$clog2(OUT_ENTRIES)-1:0] ent_addr,
    input  wire [NUM_TPPES*(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] ent_data,
    input  wire [NUM_TPPES*$clog2(SLICE_W+1)-1:0]   ent_count,

    // membranes
    input  wire [NUM_TPPES-1:0]                     state_idle,
    input  wire [NUM_TPPES-1:0]                     state_cmd_valid,
    output wire [NUM_TPPES-1:0]                     state_cmd_ready,
    input  wire [NUM_TPPES*32-1:0]                  state_cmd_addr,
    input  wire [NUM_TPPES*17-1:0]                  state_cmd_chunks,
    input  wire [NUM_TPPES-1:0]                     state_wr_valid,
    output wire [NUM_TPPES-1:0]                     state_wr_ready,
    input  wire [NUM_TPPES*CHUNK_W-1:0]             state_wr_data,

    // performance record
    input  wire                                     rec_sel,
    input  wire                                     rec_cmd_valid,
    output wire                                     rec_cmd_ready,
    input  wire [31:0]                              rec_cmd_addr,
    input  wire [16:0]                              rec_cmd_chunks,
    input  wire                                     rec_wr_valid,
    output wire                                     rec_wr_ready,
    input  wire [CHUNK_W-1:0]                       rec_wr_data,

    // write port
    output wire                                     cmd_valid,
    input  wire                                     cmd_ready,
    output wire [31:0]                              cmd_addr,
    output wire [16:0]                              cmd_chunks,
    output wire                                     wr_valid,
    input  wire                                     wr_ready,
    output wire [CHUNK_W-1:0]                       wr_data
);

    localparam integer SLOT_W  = $clog2(NUM_SLOTS);
    localparam integer ADDR_W  = $clog2(OUT_ENTRIES);
    localparam integer ENTRY_W = SLICE_W * T > 32 ? SLICE_W * T : 32;
    localparam integer ROW_W   = $clog2(K_MAX + 1);
    // sources of writes: the compressor, and with CARRY a state writer for each lane
    localparam integer SOURCES = CARRY != 0 ? NUM_TPPES + 1 : 1;

    wire [23:0] cfg_m;
    wire [16:0] cfg_entries;
    wire [7:0]  cfg_slots;
    wire        cfg_readout;
    wire [31:0] cfg_out_base, cfg_out_stride;
    assign `LOAS_OUTPUT_CFG_FIELDS = cfg_output;

    // ---------------------------------------------------------------------------------------------- rows of the output
    wire               row_valid, buf_rd_en;
    wire [SLOT_W-1:0]  row_slot;
    wire [ROW_W-1:0]   row_count;
    wire [ADDR_W-1:0]  buf_rd_addr;
    wire [ENTRY_W-1:0] buf_rd_data;

    wire [NUM_TPPES:0]               src_cmd_valid, src_cmd_ready, src_wr_valid, src_wr_ready;     // 0: the compressor
    wire [(NUM_TPPES+1)*32-1:0]      src_cmd_addr;
    wire [(NUM_TPPES+1)*17-1:0]      src_cmd_chunks;
    wire [(NUM_TPPES+1)*CHUNK_W-1:0] src_wr_data;

    loas_out_buffer #(
        .NUM_TPPES(NUM_TPPES),
        .T(T),
        .SLICE_W(SLICE_W),
        .K_MAX(K_MAX),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS)
    ) out_buffer_inst (
        .clk         (clk),
        .rst         (rst),
        .cfg_entries (cfg_entries[ADDR_W-1:0]),
        .alloc_valid (alloc_valid),
        .alloc_slot  (alloc_slot),
        .ent_valid   (ent_valid),
        .ent_ready   (ent_ready),
        .ent_slot    (ent_slot),
        .ent_addr    (ent_addr),
        .ent_data    (ent_data),
        .ent_count   (ent_count),
        .row_slot    (row_slot),
        .row_valid   (row_valid),
        .row_count   (row_count),
        .row_free    (slot_free_valid),
        .rd_en       (buf_rd_en),
        .rd_addr     (buf_rd_addr),
        .rd_data     (buf_rd_data)
    );

    loas_compressor #(
        .T(T),
        .CHUNK_W(CHUNK_W),
        .SLICE_W(SLICE_W),
        .K_MAX(K_MAX),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .DEEP(DEEP)
    ) compressor_inst (
        .clk             (clk),
        .rst             (rst),
        .layer_start     (layer_start),
        .cfg_m           (cfg_m),
        .cfg_entries     (cfg_entries[ADDR_W-1:0]),
        .cfg_slots       (cfg_slots[SLOT_W:0]),
        .cfg_readout     (cfg_readout),
        .cfg_out_base    (cfg_out_base),
        .cfg_out_stride  (cfg_out_stride),
        .done            (done),
        .ev_row          (ev_row),
        .row_slot        (row_slot),
        .row_valid       (row_valid),
        .row_count       (row_count),
        .rd_en           (buf_rd_en),
        .rd_addr         (buf_rd_addr),
        .rd_data         (buf_rd_data),
        .slot_free_valid (slot_free_valid),
        .slot_free       (slot_free),
        .cmd_valid       (src_cmd_valid[0]),
        .cmd_ready       (src_cmd_ready[0]),
        .cmd_addr        (src_cmd_addr[31:0]),
        .cmd_chunks      (src_cmd_chunks[16:0]),
        .wr_valid        (src_wr_valid[0]),
        .wr_ready        (src_wr_ready[0]),
        .wr_data         (src_wr_data[CHUNK_W-1:0])
    );

    // ---------------------------------------------------------------------------------------------------------- writes
    assign src_cmd_valid[NUM_TPPES:1]                     = state_cmd_valid;
    assign src_cmd_addr[NUM_TPPES*32+31:32]               = state_cmd_addr;
    assign src_cmd_chunks[NUM_TPPES*17+16:17]             = state_cmd_chunks;
    assign src_wr_valid[NUM_TPPES:1]                      = state_wr_valid;
    assign src_wr_data[NUM_TPPES*CHUNK_W+CHUNK_W-1:CHUNK_W] = state_wr_data;
    assign state_cmd_ready = src_cmd_ready[NUM_TPPES:1];
    assign state_wr_ready  = src_wr_ready[NUM_TPPES:1];

    generate
        if (CARRY == 0) begin : gen_idle_writers
            assign src_cmd_ready[NUM_TPPES:1] = {NUM_TPPES{1'b0}};
            assign src_wr_ready[NUM_TPPES:1]  = {NUM_TPPES{1'b0}};
            wire unused_writers = &{1'b0, src_cmd_valid, src_cmd_addr, src_cmd_chunks, src_wr_valid, src_wr_data};
        end
    endgenerate

    wire               mux_idle, mux_cmd_valid, mux_wr_valid, cut_ready;
    wire [31:0]        mux_cmd_addr;
    wire [16:0]        mux_cmd_chunks;
    wire [CHUNK_W-1:0] mux_wr_data;

    loas_write_mux #(
        .N(SOURCES),
        .CHUNK_W(CHUNK_W)
    ) write_mux_inst (
        .clk          (clk),
        .rst          (rst),
        .idle         (mux_idle),
        .s_cmd_valid  (src_cmd_valid[SOURCES-1:0]),
        .s_cmd_ready  (src_cmd_ready[SOURCES-1:0]),
        .s_cmd_addr   (src_cmd_addr[SOURCES*32-1:0]),
        .s_cmd_chunks (src_cmd_chunks[SOURCES*17-1:0]),
        .s_wr_valid   (src_wr_valid[SOURCES-1:0]),
        .s_wr_ready   (src_wr_ready[SOURCES-1:0]),
        .s_wr_data    (src_wr_data[SOURCES*CHUNK_W-1:0]),
        .cmd_valid    (mux_cmd_valid),
        .cmd_ready    (cmd_ready & ~rec_sel),
        .cmd_addr     (mux_cmd_addr),
        .cmd_chunks   (mux_cmd_chunks),
        .wr_valid     (mux_wr_valid),
        .wr_ready     (cut_ready & ~rec_sel),
        .wr_data      (mux_wr_data)
    );

    assign idle          = &state_idle & mux_idle;
    assign rec_cmd_ready = cmd_ready;
    assign rec_wr_ready  = cut_ready;
    assign cmd_valid     = rec_sel ? rec_cmd_valid : mux_cmd_valid;
    assign cmd_addr      = rec_sel ? rec_cmd_addr : mux_cmd_addr;
    assign cmd_chunks    = rec_sel ? rec_cmd_chunks : mux_cmd_chunks;

    loas_cut #(.W(CHUNK_W), .CUT(DEEP)) write_cut_inst (
        .clk(clk), .rst(rst),
        .s_valid(rec_sel ? rec_wr_valid : mux_wr_valid), .s_ready(cut_ready),
        .s_data(rec_sel ? rec_wr_data : mux_wr_data),
        .m_valid(wr_valid), .m_ready(wr_ready), .m_data(wr_data)
    );

    wire unused_ok = &{1'b0, cfg_entries, cfg_slots};

endmodule

`resetall
