// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4 read master: turns line fills of the cache into read bursts.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: many cache lines must be on their way at once, whatever the memory's latency, and the machine may be reset
// in the middle while AXI must still see every promise kept.
//
// Contract: a fill request (relative line address) becomes one INCR burst of LINE_W / AXI_W beats at image_base +
// address. Lines are aligned and at most 256 bytes, so no burst crosses 4 KB. Up to OUTSTANDING lines are in flight
// with one ID, so answers come in order; fill_rsp_valid delivers each line one cycle after its last beat and must
// always be taken.
// Throughput: one beat a cycle, and one request a cycle. fill_ready follows arready in the same cycle.
//
// Edges: an answer other than OKAY, or a wrong RLAST, pulses err_valid once for the line (together with its delivery)
// and takes no new request until `flush`. `flush` takes no new request, leaves an arvalid that is up until it is taken,
// and swallows everything outstanding without data and without error; requests are taken again when flush has fallen
// and the last old line has arrived. Only the hard reset `rst` resets this block. progress and ev_bytes tell of the
// handshakes of the cycle before.
module loas_axi_read #(
    parameter integer AXI_W       = 1024,  // data bits of the memory port
    parameter integer LINE_W      = 1024,  // bits of a line: one register of this width
    parameter integer OUTSTANDING = 32     // lines in flight: one 32-bit address register each
) (
    input  wire                           clk,
    input  wire                           rst,
    input  wire [31:0]                    image_base,   // added to every address; 4 KB aligned
    input  wire                           flush,
    output wire                           idle,         // nothing outstanding
    output wire                           outstanding,
    output wire [31:0]                    oldest_addr,  // relative; valid while outstanding
    output reg                            progress,
    output reg  [$clog2(AXI_W/8+1)-1:0]   ev_bytes,
    output wire                           err_valid,
    output reg  [31:0]                    err_addr,     // relative line address
    // line fills
    input  wire                           fill_valid,
    output wire                           fill_ready,
    input  wire [31:0]                    fill_addr,
    output wire                           fill_rsp_valid,
    output wire [LINE_W-1:0]              fill_rsp_data,
    // AXI4 read channels
    output wire                           m_axi_arid,
    output wire [31:0]                    m_axi_araddr,
    output wire [7:0]                     m_axi_arlen,
    output wire [2:0]                     m_axi_arsize,
    output wire [1:0]                     m_axi_arburst,
    output wire                           m_axi_arvalid,
    input  wire                           m_axi_arready,
    input  wire                           m_axi_rid,
    input  wire [AXI_W-1:0]               m_axi_rdata,
    input  wire [1:0]                     m_axi_rresp,
    input  wire                           m_axi_rlast,
    input  wire                           m_axi_rvalid,
    output wire                           m_axi_rready
);

    localparam integer BEATS  = LINE_W / AXI_W;
    localparam integer BEAT_W = BEATS > 1 ? $clog2(BEATS) : 1;
    localparam integer AXI_B  = AXI_W / 8;
    localparam integer LINE_S = $clog2(LINE_W / 8);
    localparam integer LEN    = BEATS - 1;
    localparam integer SIZE   = $clog2(AXI_B);
    localparam integer BYTE_W = $clog2(AXI_B + 1);

    generate
        if (AXI_W < 32 || AXI_W > 1024 || (AXI_W & (AXI_W - 1)) != 0) begin : gen_check_axi
            loas_illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024 illegal_inst ();
        end
        if (LINE_W < AXI_W || LINE_W < 128 || LINE_W > 2048 || (LINE_W & (LINE_W - 1)) != 0) begin : gen_check_line
            loas_illegal_LINE_W_must_be_a_power_of_two_from_128_and_AXI_W_to_2048 illegal_inst ();
        end
        if (OUTSTANDING < 2 || OUTSTANDING > 64 || (OUTSTANDING & (OUTSTANDING - 1)) != 0) begin : gen_check_outstanding
            loas_illegal_OUTSTANDING_must_be_a_power_of_two_from_2_to_64 illegal_inst ();
        end
    endgenerate

    wire unused_bits = &{1'b0, m_axi_rid, fill_addr[LINE_S-1:0]};

    // ---- requests: one address register towards AXI, and the list of what is owed

    reg         arvalid_reg;
    reg  [31:0] araddr_reg;
    reg         drain_reg;  // answers to requests from before a flush are still owed
    reg         stop_reg;   // an error was reported: no new request until flush

    wire        open      = !flush && !drain_reg && !stop_reg && (!arvalid_reg || m_axi_arready);
    wire        list_ready;
    wire        list_valid;
    wire        accept    = fill_valid && fill_ready;
    wire [31:0] line_addr = {fill_addr[31:LINE_S], {LINE_S{1'b0}}};
    wire        line_done;

    assign fill_ready    = open && list_ready;
    assign m_axi_arid    = 1'b0;
    assign m_axi_araddr  = araddr_reg;
    assign m_axi_arlen   = LEN[7:0];
    assign m_axi_arsize  = SIZE[2:0];
    assign m_axi_arburst = 2'b01;
    assign m_axi_arvalid = arvalid_reg;
    assign m_axi_rready  = 1'b1;  // every request has its place reserved
    assign outstanding   = list_valid;
    assign idle          = !list_valid;

    wire [$clog2(OUTSTANDING+1)-1:0] unused_level;

    loas_fifo #(
        .W    (32),
        .DEPTH(OUTSTANDING)
    ) list_inst (
        .clk    (clk),
        .rst    (rst),
        .s_valid(fill_valid && open),
        .s_ready(list_ready),
        .s_data (line_addr),
        .m_valid(list_valid),
        .m_ready(line_done),
        .m_data (oldest_addr),
        .level  (unused_level)
    );

    always @(posedge clk) begin
        if (accept) begin
            arvalid_reg <= 1'b1;
            araddr_reg  <= image_base + line_addr;
        end else if (m_axi_arready) begin
            arvalid_reg <= 1'b0;
        end
        if (flush) drain_reg <= 1'b1;
        else if (idle) drain_reg <= 1'b0;
        if (rst) begin
            arvalid_reg <= 1'b0;
            drain_reg   <= 1'b0;
        end
    end

    // ---- answers: beats are collected into the line register

    reg  [LINE_W-1:0] line_reg;
    reg               line_valid_reg;
    reg               line_bad_reg;
    reg  [BEAT_W-1:0] beat_reg;
    reg               bad_reg;  // an earlier beat of this line was bad

    wire beat_valid = m_axi_rvalid && list_valid;
    wire beat_last  = beat_reg == LEN[BEAT_W-1:0];
    wire beat_bad   = bad_reg || m_axi_rresp != 2'b00 || m_axi_rlast != beat_last;
    wire deliver    = line_done && !flush && !drain_reg;

    assign line_done      = beat_valid && beat_last;
    assign fill_rsp_valid = line_valid_reg && !flush;
    assign fill_rsp_data  = line_reg;
    assign err_valid      = fill_rsp_valid && line_bad_reg;

    generate
        if (BEATS == 1) begin : gen_one_beat
            always @(posedge clk) if (beat_valid) line_reg <= m_axi_rdata;
        end else begin : gen_beats
            always @(posedge clk) if (beat_valid) line_reg[beat_reg*AXI_W+:AXI_W] <= m_axi_rdata;
        end
    endgenerate

    always @(posedge clk) begin
        line_valid_reg <= deliver;
        line_bad_reg   <= beat_bad;
        progress       <= (arvalid_reg && m_axi_arready) || m_axi_rvalid;
        ev_bytes       <= beat_valid ? AXI_B[BYTE_W-1:0] : {BYTE_W{1'b0}};
        if (line_done) err_addr <= oldest_addr;
        if (beat_valid) begin
            beat_reg <= beat_last ? {BEAT_W{1'b0}} : beat_reg + 1'b1;
            bad_reg  <= beat_bad && !beat_last;
        end
        if (deliver && beat_bad) stop_reg <= 1'b1;
        if (flush) stop_reg <= 1'b0;
        if (rst) begin
            line_valid_reg <= 1'b0;
            line_bad_reg   <= 1'b0;
            progress       <= 1'b0;
            ev_bytes       <= {BYTE_W{1'b0}};
            beat_reg       <= {BEAT_W{1'b0}};
            bad_reg        <= 1'b0;
            stop_reg       <= 1'b0;
        end
    end

endmodule

`resetall
