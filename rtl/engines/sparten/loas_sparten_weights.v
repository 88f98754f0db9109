// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// SparTen-SNN: keeps the weights of a window while its timesteps are walked one after the other.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: every timestep goes over the weights of a window from the first on, but the lines of a task come once, in
// order. So the lines that a window can reach stay in a small ring, as the weights of a chunk stay in SparTen's buffer.
//
// Contract: s_* are the entries of loas_sparten_join, each match with the place of its weight, counted from the start
// of the task's first line, and that of the first weight of its window. The lines come at w_*, w_last with the last,
// none for a task without weights. Out at m_* the same entries with their weights, in order, two cycles later. All
// lines of a task are taken when its end goes out; a match that it comes with may go out alone before it.
// Rate: an entry a cycle, also from one task to the next, as long as the lines come. The ring is at least a line ahead
// of what the windows so far have reached.
module loas_sparten_weights #(
    parameter integer WIDE     = 128,    // places of a window
    parameter integer WEIGHT_W = 8,
    parameter integer LINE_W   = 1024,   // the ring holds the lines of WIDE weights, and one more
    parameter integer POS_W    = 25,
    parameter integer STEP_W   = 2,
    parameter integer OFFSET_W = 8
) (
    input  wire                clk,
    input  wire                rst,

    input  wire                s_valid,
    output wire                s_ready,
    input  wire                s_match,
    input  wire [STEP_W-1:0]   s_step,
    input  wire                s_col_last,
    input  wire                s_task_last,
    input  wire                s_weights,    // the task has weights
    input  wire [POS_W-1:0]    s_pos,
    input  wire [POS_W-1:0]    s_first,
    input  wire [OFFSET_W-1:0] s_spike,      // goes through

    input  wire                w_valid,
    output wire                w_ready,
    input  wire [LINE_W-1:0]   w_data,
    input  wire                w_last,

    output wire                m_valid,
    input  wire                m_ready,
    output wire [WEIGHT_W-1:0] m_weight,     // without a match: anything
    output wire                m_match,
    output wire [STEP_W-1:0]   m_step,
    output wire                m_col_last,
    output wire                m_task_last,
    output wire [OFFSET_W-1:0] m_spike
);

    localparam integer WSLOT_W = WEIGHT_W <= 4 ? 4 : 8;
    localparam integer SLOT_B  = $clog2(LINE_W / WSLOT_W);
    // a window that begins inside a line reaches one more
    localparam integer REACH   = (WIDE * WSLOT_W + LINE_W - 1) / LINE_W;
    localparam integer RING_B  = $clog2(REACH + 1);
    localparam integer RING    = 1 << RING_B;
    localparam integer NUM_W   = POS_W - SLOT_B;

    // ------------------------------------------------------------------------------------------- F4: is the line there
    reg                f4_valid_reg;
    reg                f4_match_reg;
    reg                f4_col_last_reg;
    reg                f4_task_last_reg;
    reg                f4_weights_reg;
    reg [STEP_W-1:0]   f4_step_reg;
    reg [NUM_W-1:0]    f4_line_reg;
    reg [SLOT_B-1:0]   f4_slot_reg;
    (* keep *) reg [OFFSET_W-1:0] f4_spike_reg;

    reg                open_reg;          // the task at hand has weights, and its lines may be taken
    reg                ended_reg;         // its last was
    reg [NUM_W-1:0]    high_reg;          // lines of the task that were taken
    // those in front are needed no more: line of the first weight of the window in F4
    reg [NUM_W-1:0]    low_reg;

    reg                m_valid_reg;
    wire               m_go   = !m_valid_reg || m_ready;
    wire               move   = s_valid && s_ready;
    // A line that comes later may not take the place of one that is needed: high < low + RING. At the end nothing is.
    // What F4 reads while the next entry moves in may be written in the same cycle: the RAM still gives the old line.
    wire [NUM_W-1:0]   low    = move ? s_first[POS_W-1:SLOT_B] : low_reg;
    wire               room   = {1'b0, high_reg} < {1'b0, low} + RING[NUM_W:0];
    wire               rest   = f4_task_last_reg && f4_weights_reg && !ended_reg;
    wire               drain  = f4_valid_reg && rest && !f4_match_reg;
    wire               part   = f4_match_reg && rest;
    wire               there  = f4_match_reg ? f4_line_reg < high_reg : !rest;
    wire               f4_go  = f4_valid_reg && there && m_go;
    wire               f4_out = f4_go && !part;
    wire               finish = f4_out && f4_task_last_reg;
    wire               fill   = w_valid && w_ready;
    // the entry in front is the first of a task with weights: its first line may come with it
    wire               begins = s_valid && s_weights && (finish || (!f4_valid_reg && !open_reg));

    assign s_ready = !f4_valid_reg || f4_out;
    assign w_ready = begins || (open_reg && !ended_reg && (room || drain));

    always @(posedge clk) begin
        if (move) begin
            f4_match_reg     <= s_match;
            f4_col_last_reg  <= s_col_last;
            f4_task_last_reg <= s_task_last;
            f4_weights_reg   <= s_weights;
            f4_step_reg      <= s_step;
            f4_line_reg      <= s_pos[POS_W-1:SLOT_B];
            f4_slot_reg      <= s_pos[SLOT_B-1:0];
            f4_spike_reg     <= s_spike;
        end else if (f4_go) begin
            f4_match_reg <= 1'b0;
        end
        f4_valid_reg <= move || (f4_valid_reg && !f4_out);
        low_reg      <= low;
        if (fill) high_reg <= high_reg + 1'b1;
        if (fill && w_last) ended_reg <= 1'b1;
        if (finish || begins) begin
            open_reg  <= begins;
            ended_reg <= begins && fill && w_last;
            high_reg  <= {{(NUM_W-1){1'b0}}, begins && fill};
        end
        if (rst) begin
            f4_valid_reg <= 1'b0;
            open_reg     <= 1'b0;
            ended_reg    <= 1'b0;
            high_reg     <= {NUM_W{1'b0}};
            low_reg      <= {NUM_W{1'b0}};
        end
    end

    // -------------------------------------------------------------------------------------------------- F5: the weight
    reg                m_match_reg;
    reg                m_col_last_reg;
    reg                m_task_last_reg;
    reg [STEP_W-1:0]   m_step_reg;
    reg [SLOT_B-1:0]   m_slot_reg;
    (* keep *) reg [OFFSET_W-1:0] m_spike_reg;
    wire [LINE_W-1:0]  line;

    loas_ram #(.W(LINE_W), .DEPTH(RING)) ring_inst (
        .clk(clk),
        .wr_en(fill), .wr_addr(begins ? {RING_B{1'b0}} : high_reg[RING_B-1:0]), .wr_data(w_data),
        .rd_en(f4_go && f4_match_reg), .rd_addr(f4_line_reg[RING_B-1:0]), .rd_data(line)
    );

    always @(posedge clk) begin
        if (f4_go) begin
            m_match_reg     <= f4_match_reg;
            m_col_last_reg  <= f4_col_last_reg && !part;
            m_task_last_reg <= f4_task_last_reg && !part;
            m_step_reg      <= f4_step_reg;
            m_slot_reg      <= f4_slot_reg;
            m_spike_reg     <= f4_spike_reg;
        end
        m_valid_reg <= f4_go || (m_valid_reg && !m_ready);
        if (rst) m_valid_reg <= 1'b0;
    end

    assign m_valid     = m_valid_reg;
    assign m_weight    = line[m_slot_reg*WSLOT_W +: WEIGHT_W];
    assign m_match     = m_match_reg;
    assign m_step      = m_step_reg;
    assign m_col_last  = m_col_last_reg;
    assign m_task_last = m_task_last_reg;
    assign m_spike     = m_spike_reg;

    // of the place of the window's first weight only the line counts
    wire unused_ok = &{1'b0, s_first[SLOT_B-1:0]};

endmodule

`resetall
