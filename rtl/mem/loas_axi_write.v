// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4 write master: turns commands and their chunks into write bursts.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: rows of any length must leave as few and as long bursts as AXI allows, and a run may be aborted in the
// middle of a burst without breaking AXI and without writing anything more.
//
// Contract: a command (relative, line aligned address and a number of CHUNK_W-bit chunks) is cut at every multiple of
// min(4 KB, 256 beats), so no burst crosses 4 KB or is longer than 256 beats. Up to four bursts wait for their answer.
// The chunks of the commands follow in order on wr_*, earlier or later than their command; a beat that is only partly
// filled at the end of a command carries WSTRB for its chunks only. Throughput: one beat a cycle across bursts and
// commands (AXI_W <= CHUNK_W), or one chunk a cycle; a command every two cycles. idle falls the cycle after a command
// was taken and rises when its last answer has come. WVALID may precede the acceptance of its AW, as AXI permits.
//
// Edges: a command that would leave the window (address + bytes > image_size) pulses err_pointer and nothing of it is
// written; an answer other than OKAY pulses err_valid once for the burst. After either no burst begins until `flush`.
// `flush` forgets commands and chunks, leaves an awvalid or wvalid that is up until it is taken, sends every other beat
// still owed with WSTRB = 0 and swallows all answers without errors; commands are taken again when flush has fallen and
// the last answer has come. Only the hard reset `rst` resets this block. progress and ev_bytes tell of the handshakes
// of the cycle before.
module loas_axi_write #(
    parameter integer AXI_W   = 1024,  // data bits of the memory port: two registers of this width
    parameter integer CHUNK_W = 128    // bits of a chunk
) (
    input  wire                         clk,
    input  wire                         rst,
    input  wire [31:0]                  image_base,   // added to every address; 4 KB aligned
    input  wire [31:0]                  image_size,   // bytes of the memory window
    input  wire                         flush,
    output wire                         idle,         // no command and nothing outstanding
    output wire                         outstanding,  // a burst waits for its answer
    output wire [31:0]                  oldest_addr,  // relative; valid while outstanding
    output reg                          progress,
    output reg  [$clog2(AXI_W/8+1)-1:0] ev_bytes,     // valid strobes
    output wire                         err_pointer,
    output wire                         err_valid,
    output reg  [31:0]                  err_addr,     // relative: command for err_pointer, burst for err_valid
    // commands and their chunks
    input  wire                         cmd_valid,
    output wire                         cmd_ready,
    input  wire [31:0]                  cmd_addr,
    input  wire [16:0]                  cmd_chunks,   // at least 1
    input  wire                         wr_valid,
    output wire                         wr_ready,
    input  wire [CHUNK_W-1:0]           wr_data,
    // AXI4 write channels
    output wire                         m_axi_awid,
    output wire [31:0]                  m_axi_awaddr,
    output wire [7:0]                   m_axi_awlen,
    output wire [2:0]                   m_axi_awsize,
    output wire [1:0]                   m_axi_awburst,
    output wire                         m_axi_awvalid,
    input  wire                         m_axi_awready,
    output wire [AXI_W-1:0]             m_axi_wdata,
    output wire [AXI_W/8-1:0]           m_axi_wstrb,
    output wire                         m_axi_wlast,
    output wire                         m_axi_wvalid,
    input  wire                         m_axi_wready,
    input  wire                         m_axi_bid,
    input  wire [1:0]                   m_axi_bresp,
    input  wire                         m_axi_bvalid,
    output wire                         m_axi_bready
);

    localparam integer NUM_BURSTS  = 4;                                        // bursts waiting for their answer
    localparam integer AXI_B       = AXI_W / 8;
    localparam integer SIZE        = $clog2(AXI_B);
    localparam integer BYTE_W      = $clog2(AXI_B + 1);
    localparam integer BURST_BEATS = 4096 / AXI_B > 256 ? 256 : 4096 / AXI_B;  // bursts end at multiples of this
    localparam integer BURST_S     = $clog2(BURST_BEATS);
    localparam integer CHUNK_S     = $clog2(CHUNK_W / 8);
    localparam integer BEATS_W     = 17 + (CHUNK_W > AXI_W ? $clog2(CHUNK_W / AXI_W) : 0);

    generate
        if (AXI_W < 32 || AXI_W > 1024 || (AXI_W & (AXI_W - 1)) != 0) begin : gen_check_axi
            loas_illegal_AXI_W_must_be_a_power_of_two_from_32_to_1024 illegal_inst ();
        end
        if (CHUNK_W < 32 || CHUNK_W > 512 || (CHUNK_W & (CHUNK_W - 1)) != 0) begin : gen_check_chunk
            loas_illegal_CHUNK_W_must_be_a_power_of_two_from_32_to_512 illegal_inst ();
        end
    endgenerate

    reg  drain_reg;  // promises from before a flush are still owed
    reg  stop_reg;   // an error was reported: no new burst until flush
    wire drop = flush || drain_reg;
    wire clear = rst || drop;

    // ---- command: held for one cycle while its window check is made

    reg         cmd_valid_reg;
    reg  [31:0] cmd_addr_reg;
    reg  [16:0] cmd_chunks_reg;

    wire [32:0]        cmd_end     = {1'b0, cmd_addr_reg} + ({16'd0, cmd_chunks_reg} << CHUNK_S);
    wire               cmd_outside = cmd_end > {1'b0, image_size};
    wire [BEATS_W-1:0] cmd_beats;
    wire               count_ready;
    wire               walk_free;
    wire               cmd_check   = cmd_valid_reg && !drop && !stop_reg && walk_free && count_ready;
    wire               cmd_move    = cmd_check && !cmd_outside;

    assign cmd_ready = !cmd_valid_reg && !drop && !stop_reg;

    generate
        if (CHUNK_W >= AXI_W) begin : gen_beats_down
            assign cmd_beats = {{(BEATS_W - 17) {1'b0}}, cmd_chunks_reg} << (BEATS_W - 17);
        end else begin : gen_beats_up
            localparam integer RATIO = AXI_W / CHUNK_W;
            localparam integer ROUND = RATIO - 1;
            wire [17:0] rounded = ({1'b0, cmd_chunks_reg} + ROUND[17:0]) >> $clog2(RATIO);
            wire        unused_top = rounded[17];  // zero: halved at least once
            assign cmd_beats = rounded[16:0];
        end
    endgenerate

    // ---- walk: one burst a cycle from the command's address on

    reg                walk_valid_reg;
    reg  [31:0]        walk_addr_reg;
    reg  [BEATS_W-1:0] walk_left_reg;
    reg                awvalid_reg;
    reg  [31:0]        awaddr_reg;
    reg  [7:0]         awlen_reg;

    wire [8:0]         to_border  = BURST_BEATS[8:0] - {{(9 - BURST_S) {1'b0}}, walk_addr_reg[SIZE+:BURST_S]};
    wire               walk_last  = walk_left_reg <= {{(BEATS_W - 9) {1'b0}}, to_border};
    wire [8:0]         burst      = walk_last ? walk_left_reg[8:0] : to_border;
    wire [7:0]         burst_len  = burst[7:0] - 8'd1;  // 256 beats: 0 - 1 = 255
    wire               list_ready;
    wire               issue_free = walk_valid_reg && !drop && !stop_reg && (!awvalid_reg || m_axi_awready);
    wire               issue      = issue_free && list_ready;

    assign walk_free = !walk_valid_reg || (issue && walk_last);

    always @(posedge clk) begin
        if (cmd_valid && cmd_ready) begin
            cmd_valid_reg  <= 1'b1;
            cmd_addr_reg   <= cmd_addr;
            cmd_chunks_reg <= cmd_chunks;
        end else if (cmd_check) begin
            cmd_valid_reg <= 1'b0;
        end
        if (cmd_move) begin
            walk_valid_reg <= 1'b1;
            walk_addr_reg  <= cmd_addr_reg;
            walk_left_reg  <= cmd_beats;
        end else if (issue) begin
            walk_valid_reg <= !walk_last;
            walk_addr_reg  <= walk_addr_reg + ({23'd0, burst} << SIZE);
            walk_left_reg  <= walk_left_reg - {{(BEATS_W - 9) {1'b0}}, burst};
        end
        if (issue) begin
            awvalid_reg <= 1'b1;
            awaddr_reg  <= image_base + walk_addr_reg;
            awlen_reg   <= burst_len;
        end else if (m_axi_awready) begin
            awvalid_reg <= 1'b0;
        end
        if (clear) begin
            cmd_valid_reg  <= 1'b0;
            walk_valid_reg <= 1'b0;
        end
        if (rst) awvalid_reg <= 1'b0;
    end

    assign m_axi_awid    = 1'b0;
    assign m_axi_awaddr  = awaddr_reg;
    assign m_axi_awlen   = awlen_reg;
    assign m_axi_awsize  = SIZE[2:0];
    assign m_axi_awburst = 2'b01;
    assign m_axi_awvalid = awvalid_reg;

    // ---- chunks to beats: `last` closes a command's last beat

    wire               count_valid;
    wire [16:0]        count;
    reg  [16:0]        chunk_reg;  // chunks of this command taken so far, from 1
    wire               chunk_last = chunk_reg == count;
    wire               chunk_ready;
    wire               chunk_take = wr_valid && wr_ready;
    wire               beat_valid;
    wire               beat_ready;
    wire [AXI_W-1:0]   beat_data;
    wire [AXI_W/8-1:0] beat_strb;
    wire               unused_beat_last;
    wire [2:0]         unused_count_level;

    assign wr_ready = chunk_ready && count_valid && !drop;

    loas_fifo #(
        .W    (17),
        .DEPTH(NUM_BURSTS)
    ) count_inst (
        .clk    (clk),
        .rst    (clear),
        .s_valid(cmd_move),
        .s_ready(count_ready),
        .s_data (cmd_chunks_reg),
        .m_valid(count_valid),
        .m_ready(chunk_take && chunk_last),
        .m_data (count),
        .level  (unused_count_level)
    );

    loas_width_adapter #(
        .S_W(CHUNK_W),
        .M_W(AXI_W)
    ) adapter_inst (
        .clk    (clk),
        .rst    (clear),
        .s_valid(wr_valid && count_valid && !drop),
        .s_ready(chunk_ready),
        .s_data (wr_data),
        .s_last (chunk_last),
        .m_valid(beat_valid),
        .m_ready(beat_ready),
        .m_data (beat_data),
        .m_strb (beat_strb),
        .m_last (unused_beat_last)
    );

    always @(posedge clk) begin
        if (chunk_take) chunk_reg <= chunk_last ? 17'd1 : chunk_reg + 17'd1;
        if (clear) chunk_reg <= 17'd1;
    end

    // ---- beats to the bus: as many as the bursts promised, whatever happens

    wire               owed_valid;
    wire [7:0]         owed_len;
    reg  [7:0]         owed_beat_reg;
    reg                wvalid_reg;
    reg  [AXI_W-1:0]   wdata_reg;
    reg  [AXI_W/8-1:0] wstrb_reg;
    reg                wlast_reg;
    wire               owed_last = owed_beat_reg == owed_len;
    wire               beat_free = owed_valid && (!wvalid_reg || m_axi_wready);
    wire               beat_take = beat_free && (drop || beat_valid);
    wire               unused_owed_ready;  // never full when list_inst is not
    wire [2:0]         unused_owed_level;

    assign beat_ready = beat_free && !drop;

    loas_fifo #(
        .W    (8),
        .DEPTH(NUM_BURSTS)
    ) owed_inst (
        .clk    (clk),
        .rst    (rst),
        .s_valid(issue),
        .s_ready(unused_owed_ready),
        .s_data (burst_len),
        .m_valid(owed_valid),
        .m_ready(beat_take && owed_last),
        .m_data (owed_len),
        .level  (unused_owed_level)
    );

    always @(posedge clk) begin
        if (beat_take) begin
            wvalid_reg    <= 1'b1;
            wlast_reg     <= owed_last;
            wstrb_reg     <= drop ? {AXI_W / 8{1'b0}} : beat_strb;
            owed_beat_reg <= owed_last ? 8'd0 : owed_beat_reg + 8'd1;
            if (!drop) wdata_reg <= beat_data;
        end else if (m_axi_wready) begin
            wvalid_reg <= 1'b0;
        end
        if (rst) begin
            wvalid_reg    <= 1'b0;
            owed_beat_reg <= 8'd0;
        end
    end

    assign m_axi_wdata  = wdata_reg;
    assign m_axi_wstrb  = wstrb_reg;
    assign m_axi_wlast  = wlast_reg;
    assign m_axi_wvalid = wvalid_reg;

    // ---- answers

    reg         err_pointer_reg;
    reg         err_valid_reg;
    wire        answer     = m_axi_bvalid && outstanding;
    wire        answer_bad = answer && m_axi_bresp != 2'b00 && !drop;
    wire        cmd_bad    = cmd_check && cmd_outside && !answer_bad;
    wire        unused_bid = m_axi_bid;
    wire [2:0]  unused_list_level;

    assign m_axi_bready = 1'b1;
    assign err_pointer  = err_pointer_reg && !flush;
    assign err_valid    = err_valid_reg && !flush;
    assign idle         = !cmd_valid_reg && !walk_valid_reg && !outstanding;

    loas_fifo #(
        .W    (32),
        .DEPTH(NUM_BURSTS)
    ) list_inst (
        .clk    (clk),
        .rst    (rst),
        .s_valid(issue_free),
        .s_ready(list_ready),
        .s_data (walk_addr_reg),
        .m_valid(outstanding),
        .m_ready(answer),
        .m_data (oldest_addr),
        .level  (unused_list_level)
    );

    // Strobes come in whole chunks (AXI_W > CHUNK_W) or all together.
    localparam integer LANE_B = AXI_W > CHUNK_W ? CHUNK_W / 8 : AXI_B;
    localparam integer LANES  = AXI_B / LANE_B;
    reg  [BYTE_W-1:0] strobes;
    integer           lane;
    always @* begin
        strobes = {BYTE_W{1'b0}};
        for (lane = 0; lane < LANES; lane = lane + 1)
            strobes = strobes + (wstrb_reg[lane*LANE_B] ? LANE_B[BYTE_W-1:0] : {BYTE_W{1'b0}});
    end

    always @(posedge clk) begin
        err_valid_reg   <= answer_bad;
        err_pointer_reg <= cmd_bad;
        if (answer_bad) err_addr <= oldest_addr;
        else if (cmd_bad) err_addr <= cmd_addr_reg;
        if (answer_bad || cmd_bad) stop_reg <= 1'b1;
        progress <= (awvalid_reg && m_axi_awready) || (wvalid_reg && m_axi_wready) || m_axi_bvalid;
        ev_bytes <= wvalid_reg && m_axi_wready ? strobes : {BYTE_W{1'b0}};
        if (flush) drain_reg <= 1'b1;
        else if (!outstanding) drain_reg <= 1'b0;
        if (flush) stop_reg <= 1'b0;
        if (rst) begin
            err_valid_reg   <= 1'b0;
            err_pointer_reg <= 1'b0;
            stop_reg        <= 1'b0;
            drain_reg       <= 1'b0;
            progress        <= 1'b0;
            ev_bytes        <= {BYTE_W{1'b0}};
        end
    end

endmodule

`resetall
