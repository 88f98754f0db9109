// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Reads a range of memory through a cache port, line by line and ahead of use, and gives it out item by item.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: a range [s_addr, s_end) gives the items of ITEM_W bits from the one that holds byte s_addr to the one that
// holds byte s_end - 1, in order, m_last with the last; an empty range gives none. The next range may come as soon as
// all lines of the one before have been asked for; its lines are then asked for while items of the one before still
// wait. req_*: one line each; rsp_valid brings them in the order of the requests and is always taken, because no more
// lines are asked for than there is room for. fetch_*: lines that will be asked for, at most AHEAD in front of the next
// one; a hint.
// Edges: LINES = 1 waits for a line at every line's end; LINES = 2 hides the latency of the cache behind the items of a
// line; AHEAD that of the memory. AHEAD = 0 fetches nothing.
module loas_stream_reader #(
    parameter integer LINE_W = 1024,
    parameter integer ITEM_W = 128,   // power of two, 8 to LINE_W
    parameter integer LINES  = 2,     // 1 or 2 line buffers
    parameter integer AHEAD  = 0      // lines fetched ahead, 0 to 15
) (
    input  wire              clk,
    input  wire              rst,

    input  wire              s_valid,
    output wire              s_ready,
    input  wire [31:0]       s_addr,
    input  wire [31:0]       s_end,

    output wire              req_valid,
    input  wire              req_ready,
    output wire [31:0]       req_addr,
    output wire              fetch_valid,
    input  wire              fetch_ready,
    output wire [31:0]       fetch_addr,
    input  wire              rsp_valid,
    input  wire [LINE_W-1:0] rsp_data,

    output wire              m_valid,
    input  wire              m_ready,
    output wire [ITEM_W-1:0] m_data,
    output wire              m_last
);

    localparam integer ITEM_B = $clog2(ITEM_W / 8);
    localparam integer LINE_B = $clog2(LINE_W / 8);
    localparam integer IDX_W  = 32 - ITEM_B;           // number of an item in memory
    localparam integer NUM_W  = 32 - LINE_B;           // number of a line in memory

    generate
        if (ITEM_W < 8 || ITEM_W != 1 << $clog2(ITEM_W) || LINE_W < ITEM_W
            || LINE_W != 1 << $clog2(LINE_W)) begin : gen_illegal_width
            loas_stream_reader_ITEM_W_must_be_a_power_of_two_8_to_LINE_W rule_inst ();
        end
        if (LINES < 1 || LINES > 2) begin : gen_illegal_lines
            loas_stream_reader_LINES_must_be_1_or_2 rule_inst ();
        end
        if (AHEAD < 0 || AHEAD > 15) begin : gen_illegal_ahead
            loas_stream_reader_AHEAD_must_be_0_to_15 rule_inst ();
        end
    endgenerate

    // ------------------------------------------------------------------------------------------------ asking for lines
    reg             range_reg;        // a range is held here
    reg             given_reg;        // the item side has got it
    reg             asked_reg;        // all its lines have been asked for
    reg [IDX_W-1:0] first_reg;
    reg [IDX_W-1:0] last_reg;
    reg [NUM_W-1:0] line_reg;         // next line to ask for
    reg [1:0]       held_reg;         // lines asked for and not yet used up

    wire [31:0] last_byte = s_end - 32'd1;
    wire        take      = s_valid && s_ready;
    wire        ask       = req_valid && req_ready;
    wire        give;
    wire        pop;
    wire        asked_all = ask && line_reg == last_reg[IDX_W-1:LINE_B-ITEM_B];

    assign s_ready   = !range_reg;
    assign req_valid = range_reg && !asked_reg && held_reg != LINES[1:0];
    assign req_addr  = {line_reg, {LINE_B{1'b0}}};

    always @(posedge clk) begin
        if (take) begin
            range_reg <= s_addr < s_end;
            given_reg <= 1'b0;
            asked_reg <= 1'b0;
            first_reg <= s_addr[31:ITEM_B];
            last_reg  <= last_byte[31:ITEM_B];
            line_reg  <= s_addr[31:LINE_B];
        end else if (range_reg) begin
            if (give) given_reg <= 1'b1;
            if (asked_all) asked_reg <= 1'b1;
            if (ask) line_reg <= line_reg + 1'b1;
            range_reg <= !((given_reg || give) && (asked_reg || asked_all));
        end
        if (ask && !pop) held_reg <= held_reg + 1'b1;
        if (pop && !ask) held_reg <= held_reg - 1'b1;
        if (rst) begin
            range_reg <= 1'b0;
            held_reg  <= 2'd0;
        end
    end

    generate
        if (AHEAD > 0) begin : gen_ahead
            reg  [3:0]       lead_reg;      // lines from line_reg on that have been fetched
            wire [NUM_W-1:0] line  = line_reg + {{(NUM_W-4){1'b0}}, lead_reg};
            wire             fetch = fetch_valid && fetch_ready;
            assign fetch_valid = range_reg && !asked_reg && lead_reg != AHEAD[3:0]
                && line <= last_reg[IDX_W-1:LINE_B-ITEM_B]
                              && !(req_valid && lead_reg == 4'd0);
            assign fetch_addr  = {line, {LINE_B{1'b0}}};
            always @(posedge clk) begin
                if (take) lead_reg <= 4'd0;
                else if (fetch && !ask) lead_reg <= lead_reg + 4'd1;
                else if (ask && !fetch && lead_reg != 4'd0) lead_reg <= lead_reg - 4'd1;
            end
        end else begin : gen_no_fetch
            assign fetch_valid = 1'b0;
            assign fetch_addr  = 32'd0;
            wire unused_ready = fetch_ready;
        end
    endgenerate

    // ----------------------------------------------------------------------------------------------------------- lines
    reg              head_valid_reg;
    reg [LINE_W-1:0] head_reg;

    generate
        if (LINES == 2) begin : gen_two
            reg              next_valid_reg;   // never without a head
            reg [LINE_W-1:0] next_reg;
            always @(posedge clk) begin
                if (pop) begin
                    if (next_valid_reg) head_reg <= next_reg;
                    else if (rsp_valid) head_reg <= rsp_data;
                    if (next_valid_reg && rsp_valid) next_reg <= rsp_data;
                    head_valid_reg <= next_valid_reg || rsp_valid;
                    next_valid_reg <= next_valid_reg && rsp_valid;
                end else if (rsp_valid) begin
                    if (head_valid_reg) next_reg <= rsp_data;
                    else head_reg <= rsp_data;
                    head_valid_reg <= 1'b1;
                    next_valid_reg <= head_valid_reg;
                end
                if (rst) begin
                    head_valid_reg <= 1'b0;
                    next_valid_reg <= 1'b0;
                end
            end
        end else begin : gen_one
            always @(posedge clk) begin
                if (rsp_valid) head_reg <= rsp_data;
                head_valid_reg <= rsp_valid || (head_valid_reg && !pop);
                if (rst) head_valid_reg <= 1'b0;
            end
        end
    endgenerate

    // ----------------------------------------------------------------------------------------------------------- items
    reg             active_reg;
    reg [IDX_W-1:0] item_reg;
    reg [IDX_W-1:0] end_reg;          // the last item of the range
    reg             at_end_reg;       // item_reg is it: compared in advance, because much waits for m_last

    wire use_item = m_valid && m_ready;
    wire line_end;

    assign give    = range_reg && !given_reg && (!active_reg || (use_item && m_last));
    assign pop     = use_item && (m_last || line_end);
    assign m_valid = active_reg && head_valid_reg;
    assign m_last  = at_end_reg;

    generate
        if (ITEM_W == LINE_W) begin : gen_whole
            assign line_end = 1'b1;
            assign m_data   = head_reg;
        end else begin : gen_part
            wire [LINE_B-ITEM_B-1:0] place = item_reg[LINE_B-ITEM_B-1:0];
            assign line_end = &place;
            assign m_data   = head_reg[place*ITEM_W +: ITEM_W];
        end
    endgenerate

    wire unused_ok = &{1'b0, s_addr, last_byte};   // bits below an item

    always @(posedge clk) begin
        if (give) begin
            active_reg <= 1'b1;
            item_reg   <= first_reg;
            end_reg    <= last_reg;
            at_end_reg <= first_reg == last_reg;
        end else if (use_item) begin
            active_reg <= !m_last;
            item_reg   <= item_reg + 1'b1;
            at_end_reg <= item_reg + 1'b1 == end_reg;
        end
        if (rst) active_reg <= 1'b0;
    end

endmodule

`resetall
