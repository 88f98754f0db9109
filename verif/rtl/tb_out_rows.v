// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Test top: output buffer and compressor as in loas_top.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module tb_out_rows #(
    parameter integer NUM_TPPES   = 3,
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 32,
    parameter integer SLICE_W     = 8,
    parameter integer K_MAX       = 512,
    parameter integer OUT_ENTRIES = 256,
    parameter integer NUM_SLOTS   = 8,
    parameter integer DEEP        = 0
) (
    input  wire                                     clk,
    input  wire                                     rst,
    input  wire                                     layer_start,
    input  wire [23:0]                              cfg_m,
    input  wire [$clog2(OUT_ENTRIES)-1:0]           cfg_entries,
    input  wire [$clog2(NUM_SLOTS+1)-1:0]           cfg_slots,
    input  wire                                     cfg_readout,
    input  wire [31:0]                              cfg_out_base,
    input  wire [31:0]                              cfg_out_stride,
    output wire                                     done,
    output wire                                     ev_row,
    input  wire                                     alloc_valid,
    input  wire [$clog2(NUM_SLOTS)-1:0]             alloc_slot,
    input  wire [NUM_TPPES-1:0]                     ent_valid,
    output wire [NUM_TPPES-1:0]                     ent_ready,
    input  wire [NUM_TPPES*$clog2(NUM_SLOTS)-1:0]   ent_slot,
    input  wire [NUM_TPPES*$clog2(OUT_ENTRIES)-1:0] ent_addr,
    input  wire [NUM_TPPES*(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] ent_data,
    input  wire [NUM_TPPES*$clog2(SLICE_W+1)-1:0]   ent_count,
    output wire                                     slot_free_valid,
    output wire [$clog2(NUM_SLOTS)-1:0]             slot_free,
    output wire                                     cmd_valid,
    input  wire                                     cmd_ready,
    output wire [31:0]                              cmd_addr,
    output wire [16:0]                              cmd_chunks,
    output wire                                     wr_valid,
    input  wire                                     wr_ready,
    output wire [CHUNK_W-1:0]                       wr_data
);

    wire [$clog2(NUM_SLOTS)-1:0]   row_slot;
    wire                           row_valid;
    wire [$clog2(K_MAX+1)-1:0]     row_count;
    wire                           rd_en;
    wire [$clog2(OUT_ENTRIES)-1:0] rd_addr;
    wire [(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] rd_data;

    loas_out_buffer #(
        .NUM_TPPES(NUM_TPPES), .T(T), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .OUT_ENTRIES(OUT_ENTRIES), .NUM_SLOTS(NUM_SLOTS)
    ) buffer_inst (
        .clk(clk), .rst(rst), .cfg_entries(cfg_entries), .alloc_valid(alloc_valid), .alloc_slot(alloc_slot),
        .ent_valid(ent_valid), .ent_ready(ent_ready), .ent_slot(ent_slot), .ent_addr(ent_addr), .ent_data(ent_data),
        .ent_count(ent_count), .row_slot(row_slot), .row_valid(row_valid), .row_count(row_count),
        .row_free(slot_free_valid), .rd_en(rd_en), .rd_addr(rd_addr), .rd_data(rd_data)
    );

    loas_compressor #(
        .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .OUT_ENTRIES(OUT_ENTRIES), .NUM_SLOTS(NUM_SLOTS),
        .DEEP(DEEP)
    ) compressor_inst (
        .clk(clk), .rst(rst), .layer_start(layer_start), .cfg_m(cfg_m), .cfg_entries(cfg_entries),
        .cfg_slots(cfg_slots),
        .cfg_readout(cfg_readout), .cfg_out_base(cfg_out_base), .cfg_out_stride(cfg_out_stride), .done(done),
        .ev_row(ev_row), .row_slot(row_slot), .row_valid(row_valid), .row_count(row_count), .rd_en(rd_en),
        .rd_addr(rd_addr), .rd_data(rd_data), .slot_free_valid(slot_free_valid), .slot_free(slot_free),
        .cmd_valid(cmd_valid), .cmd_ready(cmd_ready), .cmd_addr(cmd_addr), .cmd_chunks(cmd_chunks),
        .wr_valid(wr_valid), .wr_ready(wr_ready), .wr_data(wr_data)
    );

endmodule

`resetall
