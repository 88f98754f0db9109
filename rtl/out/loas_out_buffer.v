// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Output buffer: entries of many rows arrive in any order, complete rows are read back.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: blocks of a row are computed by different TPPEs and finish in any order, the compressor wants whole rows.
// Contract: entries are taken one a cycle, round robin; each is written at its ent_addr and counted for its slot. A
// slot is allocated (alloc_valid) before the first entry of its row is sent, and its row is complete after cfg_entries
// entries (>= 1). row_valid, row_count are combinational from row_slot; row_count (words that are not zero) counts
// while row_valid. row_free takes the row of row_slot away; the slot may be allocated again in that very cycle. Any
// alloc, row_free and entry of different slots may coincide. The RAM holds an entry at the cycle its row becomes valid.
// Reads take one cycle, rd_data holds while rd_en is low. A slot's counters live in a small memory with one write port:
// an alloc only sets the slot's bit in fresh_reg, and the row's first entry then starts from cfg_entries and zero
// instead of the memory's word.
module loas_out_buffer #(
    parameter integer NUM_TPPES   = 16,    // entry streams
    parameter integer T           = 4,
    parameter integer SLICE_W     = 16,
    parameter integer K_MAX       = 8192,  // longest row, in neurons
    parameter integer OUT_ENTRIES = 2048,
    // rows in flight: counters of $clog2(OUT_ENTRIES) + $clog2(K_MAX+1) bits each
    parameter integer NUM_SLOTS   = 64
) (
    input  wire                                     clk,
    input  wire                                     rst,

    input  wire [$clog2(OUT_ENTRIES)-1:0]           cfg_entries,  // entries of a row

    // from the scheduler: a row begins in this slot
    input  wire                                     alloc_valid,
    input  wire [$clog2(NUM_SLOTS)-1:0]             alloc_slot,

    // entries, stream p at [p*width +: width]
    input  wire [NUM_TPPES-1:0]                     ent_valid,
    output wire [NUM_TPPES-1:0]                     ent_ready,
    input  wire [NUM_TPPES*$clog2(NUM_SLOTS)-1:0]   ent_slot,
    input  wire [NUM_TPPES*$clog2(OUT_ENTRIES)-1:0] ent_addr,
    input  wire [NUM_TPPES*(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] ent_data,
    input  wire [NUM_TPPES*$clog2(SLICE_W+1)-1:0]   ent_count,

    // to the compressor: state of one slot's row
    input  wire [$clog2(NUM_SLOTS)-1:0]             row_slot,
    output wire                                     row_valid,
    output wire [$clog2(K_MAX+1)-1:0]               row_count,
    input  wire                                     row_free,

    // to the compressor: entries
    input  wire                                     rd_en,
    input  wire [$clog2(OUT_ENTRIES)-1:0]           rd_addr,
    output wire [(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] rd_data
);

    localparam integer ENTRY_W    = SLICE_W * T > 32 ? SLICE_W * T : 32;
    localparam integer SLOT_W     = $clog2(NUM_SLOTS);
    localparam integer OUT_ADDR_W = $clog2(OUT_ENTRIES);
    localparam integer COUNT_W    = $clog2(SLICE_W + 1);
    localparam integer WORDS_W    = $clog2(K_MAX + 1);
    localparam integer IN_W       = SLOT_W + OUT_ADDR_W + COUNT_W + ENTRY_W;

    wire [NUM_TPPES-1:0] grant;
    wire [NUM_TPPES*IN_W-1:0] flat;
    genvar p;
    generate
        if (K_MAX < SLICE_W || NUM_SLOTS < 2 || OUT_ENTRIES < 2) begin : gen_illegal
            loas_out_buffer_K_MAX_must_be_at_least_SLICE_W rule_inst ();
        end

        // the granted entry: a chain of ANDs and ORs over the streams
        for (p = 0; p < NUM_TPPES; p = p + 1) begin : gen_in
            wire [IN_W-1:0] mine = {ent_slot[p*SLOT_W +: SLOT_W], ent_addr[p*OUT_ADDR_W +: OUT_ADDR_W],
                                    ent_count[p*COUNT_W +: COUNT_W], ent_data[p*ENTRY_W +: ENTRY_W]}
                                 & {IN_W{grant[p]}};
            if (p == 0) begin : gen_first
                assign flat[0 +: IN_W] = mine;
            end else begin : gen_next
                assign flat[p*IN_W +: IN_W] = flat[(p-1)*IN_W +: IN_W] | mine;
            end
        end
    endgenerate

    loas_arb_rr #(.N(NUM_TPPES)) arb_inst (
        .clk(clk), .rst(rst), .req(ent_valid), .advance(1'b1), .grant(grant)
    );

    assign ent_ready = grant;

    // the entry that is written in this cycle
    reg                  wr_valid_reg;
    reg [SLOT_W-1:0]     wr_slot_reg;
    reg [OUT_ADDR_W-1:0] wr_addr_reg;
    reg [COUNT_W-1:0]    wr_count_reg;
    reg [ENTRY_W-1:0]    wr_data_reg;

    always @(posedge clk) begin
        wr_valid_reg <= |ent_valid;
        if (|ent_valid) {wr_slot_reg, wr_addr_reg, wr_count_reg, wr_data_reg} <= flat[(NUM_TPPES-1)*IN_W +: IN_W];
        if (rst) wr_valid_reg <= 1'b0;
    end

    loas_ram #(.W(ENTRY_W), .DEPTH(OUT_ENTRIES)) ram_inst (
        .clk(clk),
        .wr_en(wr_valid_reg), .wr_addr(wr_addr_reg), .wr_data(wr_data_reg),
        .rd_en(rd_en), .rd_addr(rd_addr), .rd_data(rd_data)
    );

    // per slot: entries still to come, words so far
    reg [OUT_ADDR_W+WORDS_W-1:0] slot_mem [0:NUM_SLOTS-1];
    reg [NUM_SLOTS-1:0]          fresh_reg;      // allocated, no entry yet
    reg [NUM_SLOTS-1:0]          complete_reg;   // all entries there

    wire [OUT_ADDR_W+WORDS_W-1:0] old = fresh_reg[wr_slot_reg] ? {cfg_entries, {WORDS_W{1'b0}}} : slot_mem[wr_slot_reg];
    wire [OUT_ADDR_W-1:0] remaining = old[WORDS_W +: OUT_ADDR_W] - 1'b1;
    wire [WORDS_W-1:0]    words     = old[WORDS_W-1:0] + {{(WORDS_W-COUNT_W){1'b0}}, wr_count_reg};
    wire [OUT_ADDR_W+WORDS_W-1:0] row = slot_mem[row_slot];
    wire unused_remaining = &{1'b0, row[WORDS_W +: OUT_ADDR_W]};

    assign row_valid = complete_reg[row_slot];
    assign row_count = row[WORDS_W-1:0];

    always @(posedge clk) begin
        if (wr_valid_reg) begin
            slot_mem[wr_slot_reg]  <= {remaining, words};
            fresh_reg[wr_slot_reg] <= 1'b0;
            if (remaining == {OUT_ADDR_W{1'b0}}) complete_reg[wr_slot_reg] <= 1'b1;
        end
        if (row_free) complete_reg[row_slot] <= 1'b0;
        if (alloc_valid) fresh_reg[alloc_slot] <= 1'b1;
        if (rst) begin
            fresh_reg    <= {NUM_SLOTS{1'b0}};
            complete_reg <= {NUM_SLOTS{1'b0}};
        end
    end

endmodule

`resetall
