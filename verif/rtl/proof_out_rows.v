// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Legal inputs for the proofs of verif/mutant_proof.py about tb_out_rows (sizes of `small` in verif/mutants.toml).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Every input is free, but for what the contract of loas_compressor demands: layer_start comes while done, cfg_entries,
// cfg_slots and cfg_readout change with it only, and there are a row, an entry and a slot at least. Outputs are zero
// where they mean nothing.
module harness (
    input  wire        clk,
    input  wire        rst,
    input  wire        layer_start,
    input  wire [23:0] cfg_m,
    input  wire [5:0]  cfg_entries,
    input  wire [2:0]  cfg_slots,
    input  wire        cfg_readout,
    input  wire [31:0] cfg_out_base,
    input  wire [31:0] cfg_out_stride,
    output wire        done,
    output wire        ev_row,
    input  wire        alloc_valid,
    input  wire [1:0]  alloc_slot,
    input  wire [2:0]  ent_valid,
    output wire [2:0]  ent_ready,
    input  wire [5:0]  ent_slot,
    input  wire [17:0] ent_addr,
    input  wire [95:0] ent_data,
    input  wire [8:0]  ent_count,
    output wire        slot_free_valid,
    output wire [1:0]  slot_free,
    output wire        cmd_valid,
    input  wire        cmd_ready,
    output wire [31:0] cmd_addr,
    output wire [16:0] cmd_chunks,
    output wire        wr_valid,
    input  wire        wr_ready,
    output wire [31:0] wr_data
);

    reg  [5:0] entries_reg;
    reg  [2:0] slots_reg;
    reg        readout_reg;
    wire       start   = layer_start && done && !rst;
    wire       readout = start ? cfg_readout : readout_reg;
    wire [5:0] entries = start ? cfg_entries : entries_reg;
    wire [2:0] slots   = start ? cfg_slots : slots_reg;

    always @(posedge clk) begin
        entries_reg <= entries;
        slots_reg   <= slots;
        readout_reg <= readout;
    end

    wire [1:0]  slot_free_raw;
    wire [31:0] cmd_addr_raw;
    wire [16:0] cmd_chunks_raw;
    wire [31:0] wr_data_raw;
    assign slot_free  = slot_free_raw & {2{slot_free_valid}};
    assign cmd_addr   = cmd_addr_raw & {32{cmd_valid}};
    assign cmd_chunks = cmd_chunks_raw & {17{cmd_valid}};
    assign wr_data    = wr_data_raw & {32{wr_valid}};

    tb_out_rows block_inst (
        .clk(clk), .rst(rst), .layer_start(start), .cfg_m(cfg_m == 24'd0 ? 24'd1 : cfg_m),
        .cfg_entries(entries == 6'd0 ? 6'd1 : entries),
        .cfg_slots(slots == 3'd0 || slots > 3'd4 ? 3'd4 : slots),
        .cfg_readout(readout), .cfg_out_base(cfg_out_base), .cfg_out_stride(cfg_out_stride), .done(done),
        .ev_row(ev_row),
        .alloc_valid(alloc_valid), .alloc_slot(alloc_slot), .ent_valid(ent_valid), .ent_ready(ent_ready),
        .ent_slot(ent_slot), .ent_addr(ent_addr), .ent_data(ent_data), .ent_count(ent_count),
        .slot_free_valid(slot_free_valid), .slot_free(slot_free_raw), .cmd_valid(cmd_valid), .cmd_ready(cmd_ready),
        .cmd_addr(cmd_addr_raw), .cmd_chunks(cmd_chunks_raw), .wr_valid(wr_valid), .wr_ready(wr_ready),
        .wr_data(wr_data_raw)
    );

endmodule

`resetall
