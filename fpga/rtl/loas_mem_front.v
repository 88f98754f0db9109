// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Front of a board's memory: the machine's AXI4 port and the host's AXI4-Lite port share one port of word requests.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: block RAM, SPRAM and SDRAM have one port, and two masters want it.
//
// Contract: s_axi_* is an AXI4 slave for INCR bursts of whole beats (what loas_top sends), s_axil_* an AXI4-Lite slave
// of 32 bits. Both become requests at req_*, held until req_ready, in words of AXI_W bits, addresses in bytes with the
// low bits zero. A write is done when it is taken; rsp_* brings a word for each read, in order, always taken. `bad` of
// a request says that no memory is at its address (combinational in req_addr): rsp_bad with the words of reads; writes
// are swallowed. It becomes DECERR, of any beat of a burst. The three streams of requests (reads, writes, host) take
// turns. One read burst and one write burst at a time, READS words under way. A burst costs a cycle besides its beats.
// rst forgets everything, also what is on its way: reset the memory with it.
module loas_mem_front #(
    parameter integer AXI_W = 64,   // 32 to 1024
    parameter integer READS = 8     // words asked for and not yet taken: a small FIFO of this depth
) (
    input  wire                clk,
    input  wire                rst,

    // the machine
    input  wire                s_axi_arid,
    input  wire [31:0]         s_axi_araddr,
    input  wire [7:0]          s_axi_arlen,
    input  wire                s_axi_arvalid,
    output wire                s_axi_arready,
    output wire                s_axi_rid,
    output wire [AXI_W-1:0]    s_axi_rdata,
    output wire [1:0]          s_axi_rresp,
    output wire                s_axi_rlast,
    output wire                s_axi_rvalid,
    input  wire                s_axi_rready,
    input  wire                s_axi_awid,
    input  wire [31:0]         s_axi_awaddr,
    input  wire                s_axi_awvalid,
    output wire                s_axi_awready,
    input  wire [AXI_W-1:0]    s_axi_wdata,
    input  wire [AXI_W/8-1:0]  s_axi_wstrb,
    input  wire                s_axi_wlast,
    input  wire                s_axi_wvalid,
    output wire                s_axi_wready,
    output wire                s_axi_bid,
    output wire [1:0]          s_axi_bresp,
    output wire                s_axi_bvalid,
    input  wire                s_axi_bready,

    // the host
    input  wire [31:0]         s_axil_awaddr,
    input  wire                s_axil_awvalid,
    output wire                s_axil_awready,
    input  wire [31:0]         s_axil_wdata,
    input  wire [3:0]          s_axil_wstrb,
    input  wire                s_axil_wvalid,
    output wire                s_axil_wready,
    output wire [1:0]          s_axil_bresp,
    output wire                s_axil_bvalid,
    input  wire                s_axil_bready,
    input  wire [31:0]         s_axil_araddr,
    input  wire                s_axil_arvalid,
    output wire                s_axil_arready,
    output wire [31:0]         s_axil_rdata,
    output wire [1:0]          s_axil_rresp,
    output wire                s_axil_rvalid,
    input  wire                s_axil_rready,

    // the memory
    output wire                req_valid,
    input  wire                req_ready,
    output wire                req_write,
    output wire [31:0]         req_addr,
    output wire [AXI_W-1:0]    req_data,
    output wire [AXI_W/8-1:0]  req_strb,
    input  wire                bad,
    input  wire                rsp_valid,
    input  wire                rsp_bad,
    input  wire [AXI_W-1:0]    rsp_data
);

    localparam integer WORD_B  = $clog2(AXI_W / 8);
    localparam integer NUM_W   = 32 - WORD_B;            // number of a word in memory
    localparam integer COUNT_W = $clog2(READS + 1);
    localparam [1:0]   OKAY    = 2'b00, DECERR = 2'b11;

    generate
        if (AXI_W < 32 || AXI_W > 1024 || AXI_W != 1 << $clog2(AXI_W) || READS < 2) begin : gen_illegal
            loas_mem_front_AXI_W_must_be_a_power_of_two_32_to_1024_and_READS_at_least_2 rule_inst ();
        end
    endgenerate

    // ------------------------------------------------------------------------------------------ turns, and the request
    localparam integer READ = 0, WRITE = 1, HOST = 2;

    wire [2:0] want;
    wire [2:0] grant;
    wire       free;        // the request register takes one
    wire [2:0] go = free ? grant : 3'b000;

    wire req_host;      // a read of the host
    wire req_last;      // a read burst's last
    wire req_burst;     // a write of a burst
    wire [NUM_W-1:0] req_num;

    loas_arb_rr #(.N(3)) turn_inst (.clk(clk), .rst(rst), .req(want), .advance(free), .grant(grant));

    assign req_addr = {req_num, {WORD_B{1'b0}}};

    wire taken      = req_valid && req_ready;
    wire taken_read = taken && !req_write;

    // -------------------------------------------------------------------------------------------- reads of the machine
    reg               ar_busy_reg;
    reg               ar_id_reg;
    reg [NUM_W-1:0]   ar_num_reg;
    reg [7:0]         ar_left_reg;    // beats behind this one
    reg [COUNT_W-1:0] reads_reg;      // beats asked for and not yet given out

    wire r_take = s_axi_rvalid && s_axi_rready;
    wire r_free, r_valid, r_last, r_bad;

    assign s_axi_arready = !ar_busy_reg;
    assign want[READ]    = ar_busy_reg && reads_reg != READS[COUNT_W-1:0];

    always @(posedge clk) begin
        if (s_axi_arvalid && s_axi_arready) begin
            ar_busy_reg <= 1'b1;
            ar_id_reg   <= s_axi_arid;
            ar_num_reg  <= s_axi_araddr[31:WORD_B];
            ar_left_reg <= s_axi_arlen;
        end else if (go[READ]) begin
            ar_busy_reg <= ar_left_reg != 8'd0;
            ar_num_reg  <= ar_num_reg + 1'b1;
            ar_left_reg <= ar_left_reg - 8'd1;
        end
        if (go[READ] && !r_take) reads_reg <= reads_reg + 1'b1;
        if (r_take && !go[READ]) reads_reg <= reads_reg - 1'b1;
        if (rst) begin
            ar_busy_reg <= 1'b0;
            reads_reg   <= {COUNT_W{1'b0}};
        end
    end

    // whose the words under way are: one more than READS, the host's
    wire               owner_free, owner_valid, owner_host, owner_last;
    wire [COUNT_W-1:0] unused_r_level;
    wire [$clog2(READS+2)-1:0] unused_owner_level;

    loas_fifo #(.W(2), .DEPTH(READS + 1)) owner_inst (
        .clk(clk), .rst(rst),
        .s_valid(taken_read), .s_ready(owner_free), .s_data({req_host, req_last}),
        .m_valid(owner_valid), .m_ready(rsp_valid), .m_data({owner_host, owner_last}), .level(unused_owner_level)
    );

    loas_fifo #(.W(AXI_W + 2), .DEPTH(READS)) r_inst (
        .clk(clk), .rst(rst),
        .s_valid(rsp_valid && !owner_host), .s_ready(r_free), .s_data({owner_last, rsp_bad, rsp_data}),
        .m_valid(r_valid), .m_ready(s_axi_rready), .m_data({r_last, r_bad, s_axi_rdata}), .level(unused_r_level)
    );

    // A burst is asked for as soon as the one before has been asked for: their words are told apart by their order, and
    // both have the same identifier, the machine's only one.
    assign s_axi_rid    = ar_id_reg;
    assign s_axi_rvalid = r_valid;
    assign s_axi_rlast  = r_last;
    assign s_axi_rresp  = r_bad ? DECERR : OKAY;

    // ------------------------------------------------------------------------------------------- writes of the machine
    reg             aw_busy_reg;
    reg             aw_id_reg;
    reg [NUM_W-1:0] aw_num_reg;
    reg             b_wait_reg;     // the last beat is asked for
    reg             b_valid_reg;
    reg             b_bad_reg;

    assign s_axi_awready = !aw_busy_reg && !b_wait_reg && !b_valid_reg;
    assign s_axi_wready  = go[WRITE];
    assign want[WRITE]   = aw_busy_reg && s_axi_wvalid;
    assign s_axi_bid     = aw_id_reg;
    assign s_axi_bvalid  = b_valid_reg;
    assign s_axi_bresp   = b_bad_reg ? DECERR : OKAY;

    always @(posedge clk) begin
        if (s_axi_awvalid && s_axi_awready) begin
            aw_busy_reg <= 1'b1;
            aw_id_reg   <= s_axi_awid;
            aw_num_reg  <= s_axi_awaddr[31:WORD_B];
            b_bad_reg   <= 1'b0;
        end else if (go[WRITE]) begin
            aw_busy_reg <= !s_axi_wlast;
            aw_num_reg  <= aw_num_reg + 1'b1;
        end
        if (go[WRITE] && s_axi_wlast) b_wait_reg <= 1'b1;
        if (taken && req_burst && bad) b_bad_reg <= 1'b1;
        if (taken && req_burst && req_last) begin
            b_wait_reg  <= 1'b0;
            b_valid_reg <= 1'b1;
        end
        if (b_valid_reg && s_axi_bready) b_valid_reg <= 1'b0;
        if (rst) begin
            aw_busy_reg <= 1'b0;
            b_wait_reg  <= 1'b0;
            b_valid_reg <= 1'b0;
        end
    end

    // ----------------------------------------------------------------------------------------- the host, one at a time
    localparam [1:0] IDLE = 2'd0, ASK = 2'd1, WAIT = 2'd2, ANSWER = 2'd3;   // WAIT: asked, not yet done

    reg [1:0]        host_reg;
    reg              host_write_reg;
    reg [29:0]       host_num_reg;    // number of a 32-bit word
    reg [31:0]       host_data_reg;
    reg [3:0]        host_strb_reg;
    reg              host_bad_reg;
    wire [AXI_W-1:0] host_shifted;

    wire host_aw = s_axil_awvalid && s_axil_wvalid;
    wire host_b  = host_reg == ANSWER && host_write_reg;
    wire host_r  = host_reg == ANSWER && !host_write_reg;

    assign s_axil_awready = host_reg == IDLE && host_aw;
    assign s_axil_wready  = host_reg == IDLE && host_aw;
    assign s_axil_arready = host_reg == IDLE && !host_aw;
    assign s_axil_bvalid  = host_b;
    assign s_axil_rvalid  = host_r;
    assign s_axil_rdata   = host_data_reg;
    assign s_axil_bresp   = host_bad_reg ? DECERR : OKAY;
    assign s_axil_rresp   = host_bad_reg ? DECERR : OKAY;
    assign want[HOST]     = host_reg == ASK;

    generate
        if (AXI_W > 32) begin : gen_lane
            assign host_shifted = rsp_data >> {host_num_reg[WORD_B-3:0], 5'd0};
        end else begin : gen_same
            assign host_shifted = rsp_data;
        end
    endgenerate

    always @(posedge clk) begin
        case (host_reg)
            IDLE: begin      // for a request of the host
                if (host_aw || s_axil_arvalid) host_reg <= ASK;
                host_write_reg <= host_aw;
                host_num_reg   <= host_aw ? s_axil_awaddr[31:2] : s_axil_araddr[31:2];
                host_data_reg  <= s_axil_wdata;
                host_strb_reg  <= s_axil_wstrb;
            end
            ASK: begin       // for its turn
                if (go[HOST]) host_reg <= WAIT;
            end
            WAIT: begin      // for the memory
                if (host_write_reg ? taken && req_host : rsp_valid && owner_host) host_reg <= ANSWER;
                host_bad_reg <= host_write_reg ? bad : rsp_bad;
                if (!host_write_reg) host_data_reg <= host_shifted[31:0];
            end
            default: begin   // ANSWER: for the host to take it
                if ((host_b && s_axil_bready) || (host_r && s_axil_rready)) host_reg <= IDLE;
            end
        endcase
        if (rst) host_reg <= IDLE;
    end

    // ----------------------------------------------------------------------------------------------------- the request
    wire [NUM_W-1:0]   host_num;
    wire [AXI_W/8-1:0] host_strb;

    generate
        if (AXI_W > 32) begin : gen_wide
            assign host_num  = host_num_reg[29:WORD_B-2];
            assign host_strb = {{(AXI_W/8-4){1'b0}}, host_strb_reg} << {host_num_reg[WORD_B-3:0], 2'd0};
        end else begin : gen_narrow
            assign host_num  = host_num_reg;
            assign host_strb = host_strb_reg;
        end
    endgenerate

    wire               put_write = grant[WRITE] || (grant[HOST] && host_write_reg);
    wire               put_last  = grant[READ] ? ar_left_reg == 8'd0 : s_axi_wlast;
    wire [NUM_W-1:0]   put_num   = grant[READ] ? ar_num_reg : grant[WRITE] ? aw_num_reg : host_num;
    wire [AXI_W-1:0]   put_data  = grant[WRITE] ? s_axi_wdata : {(AXI_W/32){host_data_reg}};
    wire [AXI_W/8-1:0] put_strb  = grant[WRITE] ? s_axi_wstrb : host_strb;
    wire [1:0]         unused_req_level;

    // two places, so that what the masters see is ready does not depend on what the memory is about to do
    loas_fifo #(.W(4 + NUM_W + AXI_W + AXI_W / 8), .DEPTH(2)) req_inst (
        .clk(clk), .rst(rst),
        .s_valid(|grant), .s_ready(free),
        .s_data({put_write, grant[HOST], grant[WRITE], put_last, put_num, put_data, put_strb}),
        .m_valid(req_valid), .m_ready(req_ready),
        .m_data({req_write, req_host, req_burst, req_last, req_num, req_data, req_strb}), .level(unused_req_level)
    );

    wire unused_ok =
        &{1'b0, owner_free, owner_valid, r_free, s_axi_araddr, s_axi_awaddr, s_axil_awaddr, s_axil_araddr,
        host_shifted};

endmodule

`resetall
