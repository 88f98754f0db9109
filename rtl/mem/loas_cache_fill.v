// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Sends the misses of all banks to memory and says where each line that comes back belongs.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: many banks, one memory port that answers in order.
// Contract: misses are taken round robin, one a cycle, into a register (fill_valid holds, fill_addr is stable until
// fill_ready). The place of each is queued in that order; fill_rsp_valid takes the oldest: dst_* are valid with it.
// At most OUTSTANDING + 2 lines are under way; more misses wait. A response without a request is ignored.
// Edges: invalidate marks every line under way with dst_drop (what memory sends may be old). rst forgets everything:
// the memory side must swallow the responses owed.
module loas_cache_fill #(
    parameter integer LINE_AW     = 25,
    parameter integer LINE_B      = 7,   // log2 of the bytes of a line
    parameter integer NUM_BANKS   = 16,
    parameter integer SET_W       = 3,
    parameter integer WAY_W       = 4,
    parameter integer OUTSTANDING = 32   // costs a queue of places
) (
    input  wire                         clk,
    input  wire                         rst,
    input  wire                         invalidate,
    // misses, one of each bank
    input  wire [NUM_BANKS-1:0]         miss_valid,
    output wire [NUM_BANKS-1:0]         miss_ready,
    input  wire [NUM_BANKS*LINE_AW-1:0] miss_line,
    input  wire [NUM_BANKS*WAY_W-1:0]   miss_way,
    // memory
    output wire                         fill_valid,
    input  wire                         fill_ready,
    output wire [31:0]                  fill_addr,
    input  wire                         fill_rsp_valid,
    // where the line that came belongs
    output wire                         dst_valid,
    output wire [(NUM_BANKS > 1 ? $clog2(NUM_BANKS) : 1)-1:0] dst_bank,
    output wire [SET_W-1:0]             dst_set,
    output wire [WAY_W-1:0]             dst_way,
    output wire                         dst_drop
);

    localparam integer BANK_B  = $clog2(NUM_BANKS);
    localparam integer BANK_W  = NUM_BANKS > 1 ? BANK_B : 1;
    localparam integer DEPTH   = OUTSTANDING + 2;
    localparam integer LEVEL_W = $clog2(DEPTH + 1);
    localparam integer PLACE_W = BANK_W + SET_W + WAY_W;

    reg               fill_valid_reg;
    reg [LINE_AW-1:0] fill_line_reg;
    reg [LEVEL_W-1:0] drop_reg;        // the oldest so many lines under way are to be dropped

    wire [NUM_BANKS-1:0] grant;
    wire                 place_ready, place_valid;
    wire [LEVEL_W-1:0]   level;
    wire                 load = |miss_valid && place_ready && (!fill_valid_reg || fill_ready);
    reg  [BANK_W-1:0]    win;
    reg  [LINE_AW-1:0]   win_line;
    reg  [WAY_W-1:0]     win_way;

    loas_arb_rr #(.N(NUM_BANKS)) arb_inst (
        .clk(clk), .rst(rst), .req(miss_valid), .advance(load), .grant(grant)
    );

    always @* begin : winner
        integer b;
        b = 0;
        win = {BANK_W{1'b0}};
        if (|miss_valid)
            for (b = 0; b < NUM_BANKS; b = b + 1) if (grant[b]) win = win | b[BANK_W-1:0];
        win_line = miss_line[win*LINE_AW +: LINE_AW];
        win_way  = miss_way[win*WAY_W +: WAY_W];
    end

    loas_fifo #(.W(PLACE_W), .DEPTH(DEPTH)) place_inst (
        .clk(clk), .rst(rst),
        .s_valid(load), .s_ready(place_ready), .s_data({win, win_line[BANK_B +: SET_W], win_way}),
        .m_valid(place_valid), .m_ready(fill_rsp_valid), .m_data({dst_bank, dst_set, dst_way}),
        .level(level)
    );

    assign miss_ready = load ? grant : {NUM_BANKS{1'b0}};
    assign fill_valid = fill_valid_reg;
    assign fill_addr  = {fill_line_reg, {LINE_B{1'b0}}};
    assign dst_valid  = fill_rsp_valid && place_valid;
    assign dst_drop   = drop_reg != {LEVEL_W{1'b0}};

    always @(posedge clk) begin
        if (fill_ready) fill_valid_reg <= 1'b0;
        if (load) begin
            fill_valid_reg <= 1'b1;
            fill_line_reg  <= win_line;
        end
        if (invalidate)                 drop_reg <= level - {{(LEVEL_W-1){1'b0}}, dst_valid};
        else if (dst_valid && dst_drop) drop_reg <= drop_reg - {{(LEVEL_W-1){1'b0}}, 1'b1};
        if (rst) begin
            fill_valid_reg <= 1'b0;
            drop_reg       <= {LEVEL_W{1'b0}};
        end
    end

endmodule

`resetall
