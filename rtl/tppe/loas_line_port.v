// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Shares the one cache port of a TPPE between its readers of lines.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: N readers ask for lines one at a time, and there are hints of lines that will be read soon.
//
// Contract: a request holds until req_ready. Requests are served round robin, through a register, or with DEEP a skid
// buffer, before the cache. Hints go out in cycles in which no reader asks, as reads with rd_fetch, which have no
// response; hint_ready tells that a hint would be taken, also when there is none. A read has its response before the
// cache accepts the next one of this port, or in the same cycle (loas_fiber_cache), and req_rsp_valid says whose it is.
// rd_keep marks reads of the readers named in KEEP: their lines will be read again, by another task.
module loas_line_port #(
    parameter integer N    = 5,
    parameter [31:0]  KEEP = 32'd1,   // bit i: that of reader i
    parameter integer DEEP = 0
) (
    input  wire            clk,
    input  wire            rst,

    // readers
    input  wire [N-1:0]    req_valid,
    output wire [N-1:0]    req_ready,
    input  wire [N*32-1:0] req_addr,
    output wire [N-1:0]    req_rsp_valid,

    // hints
    input  wire            hint_valid,
    output wire            hint_ready,
    input  wire [31:0]     hint_addr,

    // cache port
    output wire            rd_valid,
    input  wire            rd_ready,
    output wire [31:0]     rd_addr,
    output wire            rd_keep,
    output wire            rd_fetch,
    input  wire            rsp_valid
);

    generate
        if (N > 32) begin : gen_illegal
            loas_line_port_N_must_be_at_most_32 rule_inst ();
        end
    endgenerate

    wire [N-1:0] grant;
    wire [N-1:0] rd_owner;        // one-hot
    reg  [N-1:0] rsp_owner_reg;
    wire         free;

    wire         none = ~|req_valid;
    wire         ask  = !none || hint_valid;
    reg  [31:0]  ask_addr;

    integer i;
    always @* begin
        ask_addr = {32{none}} & hint_addr;
        for (i = 0; i < N; i = i + 1) ask_addr = ask_addr | ({32{grant[i]}} & req_addr[32*i +: 32]);
    end

    assign req_ready     = free ? grant : {N{1'b0}};
    assign hint_ready    = free && none;
    assign rd_keep       = |(rd_owner & KEEP[N-1:0]);
    assign req_rsp_valid = rsp_valid ? rsp_owner_reg : {N{1'b0}};

    loas_arb_rr #(.N(N)) arb_inst (.clk(clk), .rst(rst), .req(req_valid), .advance(free), .grant(grant));

    // with DEEP the cache's answer comes too late in the cycle to be passed on in it
    loas_cut #(.W(33 + N), .CUT(DEEP != 0 ? 1 : 2)) ask_cut_inst (
        .clk(clk), .rst(rst), .s_valid(ask), .s_ready(free), .s_data({none, grant, ask_addr}),
        .m_valid(rd_valid), .m_ready(rd_ready), .m_data({rd_fetch, rd_owner, rd_addr})
    );

    always @(posedge clk) begin
        // the response comes before the next read is accepted, or in the same cycle
        if (rd_valid && rd_ready) rsp_owner_reg <= rd_owner;
    end

endmodule

`resetall
