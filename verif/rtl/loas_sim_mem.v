// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4 memory model with latency, stalls, errors and hangs (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: whole-machine runs need a memory at simulation speed, and error tests need answers that cocotbext-axi cannot
// give.
//
// Contract: `mem` holds BYTES at bus address BASE on, zero at time 0; load it after time 0 (`initial begin #1;
// $readmemh("x.hex", mem_inst.mem); end`). Reads and writes are independent, in order, INCR and beat aligned, up to
// QUEUE bursts of each. With stall_percent 0 every channel moves a beat a cycle; the first beat of a read (the answer
// of a write) is valid `latency` + 2 cycles after the cycle of its AR (last W) handshake. Write data are taken only
// after their AW, when `manner` is 0.
//
// Manners, all legal in AXI4; change them only while nothing is under way. Bit 0: AR, AW and W have READY low until the
// cycle after VALID was seen high, so a master that waits for READY first waits for ever. Bits 2:1, order: 0 the data
// of a burst after its address, 1 as they come, 2 the address after the burst's first beat, 3 the address after its
// last beat. What comes before its address is kept, up to W_QUEUE beats, and written when the address is known.
//
// Edges: stall_percent closes each channel at random (from `seed`, loaded by rst), 0 to 99. With err_en a beat that
// contains err_addr answers err_resp (for writes: its burst's B, and the beat is not written); outside BYTES it is
// DECERR. While `hang` is high nothing is accepted and no new beat or answer begins; what waited goes on afterwards.
module loas_sim_mem #(
    parameter integer AXI_W = 128,
    parameter integer BYTES = 65536,
    parameter [31:0]  BASE  = 32'd0,
    parameter integer QUEUE = 64,     // power of two
    parameter integer W_QUEUE = 512   // beats before their address; power of two, at least a burst
) (
    input  wire               clk,
    input  wire               rst,
    input  wire [15:0]        latency,
    input  wire [6:0]         stall_percent,
    input  wire [31:0]        seed,
    input  wire               err_en,
    input  wire [1:0]         err_resp,
    input  wire [31:0]        err_addr,
    input  wire               hang,
    input  wire [2:0]         manner,
    // AXI4 slave
    input  wire               s_axi_awid,
    input  wire [31:0]        s_axi_awaddr,
    input  wire [7:0]         s_axi_awlen,
    input  wire               s_axi_awvalid,
    output wire               s_axi_awready,
    input  wire [AXI_W-1:0]   s_axi_wdata,
    input  wire [AXI_W/8-1:0] s_axi_wstrb,
    input  wire               s_axi_wlast,
    input  wire               s_axi_wvalid,
    output wire               s_axi_wready,
    output wire               s_axi_bid,
    output reg  [1:0]         s_axi_bresp,
    output reg                s_axi_bvalid,
    input  wire               s_axi_bready,
    input  wire               s_axi_arid,
    input  wire [31:0]        s_axi_araddr,
    input  wire [7:0]         s_axi_arlen,
    input  wire               s_axi_arvalid,
    output wire               s_axi_arready,
    output wire               s_axi_rid,
    output reg  [AXI_W-1:0]   s_axi_rdata,
    output reg  [1:0]         s_axi_rresp,
    output reg                s_axi_rlast,
    output reg                s_axi_rvalid,
    input  wire               s_axi_rready
);

    localparam integer AXI_B  = AXI_W / 8;
    localparam integer SIZE   = $clog2(AXI_B);
    localparam integer WORDS  = BYTES / AXI_B;
    localparam integer INDEX_W = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam integer PTR_W  = $clog2(QUEUE);
    localparam integer WPTR_W = $clog2(W_QUEUE);

    reg [AXI_W-1:0] mem [0:WORDS-1];

    integer word;
    initial for (word = 0; word < WORDS; word = word + 1) mem[word] = {AXI_W{1'b0}};

    wire unused_bits = &{1'b0, s_axi_awid, s_axi_arid};

    assign s_axi_bid = 1'b0;
    assign s_axi_rid = 1'b0;

    // ---- time and chance: xorshift64, seven bits a channel

    reg  [31:0] now_reg;
    reg  [63:0] rand_reg;
    wire [63:0] rand_a = rand_reg ^ (rand_reg << 13);
    wire [63:0] rand_b = rand_a ^ (rand_a >> 7);
    reg  [4:0]  go_reg;  // this channel may move: AR, R, AW, W, B
    integer     channel;

    always @(posedge clk) begin
        now_reg  <= now_reg + 32'd1;
        rand_reg <= rand_b ^ (rand_b << 17);
        for (channel = 0; channel < 5; channel = channel + 1)
            go_reg[channel] <= {7'd0, rand_reg[10*channel+:7]} * 14'd100 >= {stall_percent, 7'd0};
        if (rst) begin
            now_reg  <= 32'd0;
            rand_reg <= {32'h9E3779B9, seed ^ 32'h7F4A7C15};
            go_reg   <= 5'd0;
        end
    end

    // ---- manners: valid was seen in the cycle before, and is still waiting

    reg  ar_seen_reg;
    reg  aw_seen_reg;
    reg  w_seen_reg;
    wire ar_open = ar_seen_reg || !manner[0];
    wire aw_open = aw_seen_reg || !manner[0];
    wire w_open  = w_seen_reg || !manner[0];

    always @(posedge clk) begin
        ar_seen_reg <= s_axi_arvalid && !s_axi_arready && !rst;
        aw_seen_reg <= s_axi_awvalid && !s_axi_awready && !rst;
        w_seen_reg  <= s_axi_wvalid && !s_axi_wready && !rst;
    end

    // ---- one beat's place and fate

    wire [31:0] ar_offset = s_axi_araddr - BASE;
    wire [31:0] aw_offset = s_axi_awaddr - BASE;
    wire [31:0] err_beat  = (err_addr - BASE) >> SIZE;

    // ---- reads

    reg  [31:0]    ar_beat [0:QUEUE-1];  // beat index in mem, not yet checked
    reg  [7:0]     ar_len  [0:QUEUE-1];
    reg  [31:0]    ar_due  [0:QUEUE-1];
    reg  [PTR_W:0] ar_put_reg;
    reg  [PTR_W:0] ar_get_reg;
    reg  [7:0]     r_count_reg;
    wire [PTR_W:0] ar_level = ar_put_reg - ar_get_reg;
    wire [31:0]    r_beat   = ar_beat[ar_get_reg[PTR_W-1:0]] + {24'd0, r_count_reg};
    wire           r_in     = r_beat < WORDS;
    wire           r_wait   = now_reg < ar_due[ar_get_reg[PTR_W-1:0]];
    wire           r_last   = r_count_reg == ar_len[ar_get_reg[PTR_W-1:0]];
    wire           r_take   = ar_level != 0 && !r_wait && !hang && go_reg[1] && (!s_axi_rvalid || s_axi_rready);

    assign s_axi_arready = go_reg[0] && ar_open && !hang && !ar_level[PTR_W];

    always @(posedge clk) begin
        if (s_axi_arvalid && s_axi_arready) begin
            ar_beat[ar_put_reg[PTR_W-1:0]] <= ar_offset >> SIZE;
            ar_len[ar_put_reg[PTR_W-1:0]]  <= s_axi_arlen;
            ar_due[ar_put_reg[PTR_W-1:0]]  <= now_reg + {16'd0, latency} + 32'd1;
            ar_put_reg                     <= ar_put_reg + 1'b1;
        end
        if (r_take) begin
            s_axi_rvalid <= 1'b1;
            s_axi_rlast  <= r_last;
            s_axi_rresp  <= err_en && r_beat == err_beat ? err_resp : r_in ? 2'b00 : 2'b11;
            s_axi_rdata  <= r_in ? mem[r_beat[INDEX_W-1:0]] : {AXI_W{1'b0}};
            r_count_reg  <= r_last ? 8'd0 : r_count_reg + 8'd1;
            if (r_last) ar_get_reg <= ar_get_reg + 1'b1;
        end else if (s_axi_rready) begin
            s_axi_rvalid <= 1'b0;
        end
        if (rst) begin
            ar_put_reg   <= {PTR_W + 1{1'b0}};
            ar_get_reg   <= {PTR_W + 1{1'b0}};
            r_count_reg  <= 8'd0;
            s_axi_rvalid <= 1'b0;
        end
    end

    // ---- writes

    reg  [31:0]    aw_beat [0:QUEUE-1];
    reg  [7:0]     aw_len  [0:QUEUE-1];
    reg  [PTR_W:0] aw_put_reg;
    reg  [PTR_W:0] aw_get_reg;
    reg  [7:0]     w_count_reg;
    reg  [1:0]     w_resp_reg;           // worst answer of the burst so far
    wire [PTR_W:0] aw_level = aw_put_reg - aw_get_reg;
    wire [31:0]    w_beat   = aw_beat[aw_get_reg[PTR_W-1:0]] + {24'd0, w_count_reg};
    wire           w_in     = w_beat < WORDS;
    wire           w_last   = w_count_reg == aw_len[aw_get_reg[PTR_W-1:0]];
    wire           w_take   = s_axi_wvalid && s_axi_wready;
    // beats that came before their address, and how many bursts' first and last beats have come
    reg  [AXI_W-1:0]   w_data [0:W_QUEUE-1];
    reg  [AXI_W/8-1:0] w_strb [0:W_QUEUE-1];
    reg  [WPTR_W:0]    w_put_reg;
    reg  [WPTR_W:0]    w_get_reg;
    reg  [PTR_W:0]     begun_reg;
    reg  [PTR_W:0]     ended_reg;
    reg                inside_reg;        // the burst on W has begun
    wire [WPTR_W:0]    w_level    = w_put_reg - w_get_reg;
    wire               w_kept     = w_level != 0;
    wire [AXI_W-1:0]   use_data   = w_kept ? w_data[w_get_reg[WPTR_W-1:0]] : s_axi_wdata;
    wire [AXI_W/8-1:0] use_strb   = w_kept ? w_strb[w_get_reg[WPTR_W-1:0]] : s_axi_wstrb;
    wire [PTR_W:0]     begun_more = begun_reg - aw_put_reg;   // bursts whose address may come
    wire [PTR_W:0]     ended_more = ended_reg - aw_put_reg;
    wire               aw_due     = manner[2:1] == 2'd3 ? ended_more != 0 : manner[2:1] == 2'd2
        ? begun_more != 0 : 1'b1;
    wire               w_due      = manner[2:1] == 2'd0 ? aw_level != 0 : !w_level[WPTR_W];
    wire [1:0]     w_resp   = w_resp_reg != 2'b00 ? w_resp_reg :
                              err_en && w_beat == err_beat ? err_resp : w_in ? 2'b00 : 2'b11;
    wire           w_use    = (w_kept || w_take) && aw_level != 0 && !b_level[PTR_W];
    reg  [1:0]     b_resp [0:QUEUE-1];
    reg  [31:0]    b_due  [0:QUEUE-1];
    reg  [PTR_W:0] b_put_reg;
    reg  [PTR_W:0] b_get_reg;
    wire [PTR_W:0] b_level = b_put_reg - b_get_reg;
    wire           b_wait  = now_reg < b_due[b_get_reg[PTR_W-1:0]];
    wire           b_take  = b_level != 0 && !b_wait && !hang && go_reg[4] && (!s_axi_bvalid || s_axi_bready);
    integer        lane;

    assign s_axi_awready = go_reg[2] && aw_open && aw_due && !hang && !aw_level[PTR_W];
    assign s_axi_wready  = go_reg[3] && w_open && w_due && !hang && !b_level[PTR_W];

    always @(posedge clk) begin
        if (s_axi_awvalid && s_axi_awready) begin
            aw_beat[aw_put_reg[PTR_W-1:0]] <= aw_offset >> SIZE;
            aw_len[aw_put_reg[PTR_W-1:0]]  <= s_axi_awlen;
            aw_put_reg                     <= aw_put_reg + 1'b1;
        end
        if (w_take) begin
            w_data[w_put_reg[WPTR_W-1:0]] <= s_axi_wdata;
            w_strb[w_put_reg[WPTR_W-1:0]] <= s_axi_wstrb;
            w_put_reg                     <= w_put_reg + 1'b1;
            inside_reg                    <= !s_axi_wlast;
            if (!inside_reg) begun_reg <= begun_reg + 1'b1;
            if (s_axi_wlast) ended_reg <= ended_reg + 1'b1;
        end
        if (w_use) begin
            w_get_reg <= w_get_reg + 1'b1;
            if (w_in && !(err_en && w_beat == err_beat)) begin
                if (&use_strb) mem[w_beat[INDEX_W-1:0]] <= use_data;
                else if (|use_strb)
                    for (lane = 0; lane < AXI_B; lane = lane + 1)
                        if (use_strb[lane]) mem[w_beat[INDEX_W-1:0]][lane*8+:8] <= use_data[lane*8+:8];
            end
            w_count_reg <= w_last ? 8'd0 : w_count_reg + 8'd1;
            w_resp_reg  <= w_last ? 2'b00 : w_resp;
            if (w_last) begin
                aw_get_reg                   <= aw_get_reg + 1'b1;
                b_resp[b_put_reg[PTR_W-1:0]] <= w_resp;
                b_due[b_put_reg[PTR_W-1:0]]  <= now_reg + {16'd0, latency} + 32'd1;
                b_put_reg                    <= b_put_reg + 1'b1;
            end
        end
        if (b_take) begin
            s_axi_bvalid <= 1'b1;
            s_axi_bresp  <= b_resp[b_get_reg[PTR_W-1:0]];
            b_get_reg    <= b_get_reg + 1'b1;
        end else if (s_axi_bready) begin
            s_axi_bvalid <= 1'b0;
        end
        if (rst) begin
            aw_put_reg   <= {PTR_W + 1{1'b0}};
            aw_get_reg   <= {PTR_W + 1{1'b0}};
            b_put_reg    <= {PTR_W + 1{1'b0}};
            b_get_reg    <= {PTR_W + 1{1'b0}};
            w_put_reg    <= {WPTR_W + 1{1'b0}};
            w_get_reg    <= {WPTR_W + 1{1'b0}};
            begun_reg    <= {PTR_W + 1{1'b0}};
            ended_reg    <= {PTR_W + 1{1'b0}};
            inside_reg   <= 1'b0;
            w_count_reg  <= 8'd0;
            w_resp_reg   <= 2'b00;
            s_axi_bvalid <= 1'b0;
        end
    end

endmodule

`resetall
