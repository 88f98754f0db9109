// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// FiberCache: a banked, set associative read cache with fetch apart from read, shared by all TPPEs and control.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: NUM_PORTS requesters read fibers of A and B through one memory port; many want the same line at once.
// Contract of a port: rd_valid and rd_addr/keep/fetch hold until rd_ready, which is high in the cycle of acceptance
// only.
//   A read is accepted when its line is here; the response comes in the next cycle, with DEEP in the one after it: in
//   order.
//   A fetch is accepted when its line is here or on its way, with DEEP when it was looked up (it is a hint), and has no
//   response.
//   A hit takes 2 cycles from rd_valid to rd_ready, then 1 (DEEP: 2) to the data: one line per 2 cycles and port. Ports
//   that ask for the same line in the same cycle share one look-up. Bits of rd_addr below the line are ignored.
// How a miss waits: the port sleeps, so that it costs its bank nothing, and holds a claim on the way that its line
// will be in, which nobody may take before the port has been answered. It is woken by the fill of that way.
// A port that finds no room sleeps until something changes in its bank.
// Why nobody waits for ever: a claimed line is filled (memory answers) and then always hits (arbitration is round
// robin), and a claimant needs nothing else, so claims end. A port without room holds nothing. The elder, one of them,
// keeps others from allocating in its bank until it has got its line, then the next becomes the elder.
// Errors: a line not wholly below image_size gives one err_pointer pulse with its rd_addr and is never answered.
// Edges: rst drops everything, also what is on its way (the memory side swallows it). invalidate, when no read waits,
// drops all lines; those on their way are thrown away when they come.
module loas_fiber_cache #(
    parameter integer NUM_PORTS   = 17,    // requesters, 2 to 65; costs crossbar width and a claim each
    parameter integer LINE_W      = 1024,  // bits of a line
    parameter integer NUM_BANKS   = 16,    // look-ups a cycle
    parameter integer NUM_WAYS    = 16,    // tags compared in a look-up
    parameter integer NUM_SETS    = 8,     // sets of a bank
    parameter integer OUTSTANDING = 32,    // lines under way from memory
    // 1: three cycles more for a miss, see loas_cache_bank, and one for every response
    parameter integer DEEP        = 0
) (
    input  wire                             clk,
    input  wire                             rst,
    input  wire [31:0]                      image_size,
    input  wire                             invalidate,
    // requesters
    input  wire [NUM_PORTS-1:0]             rd_valid,
    output reg  [NUM_PORTS-1:0]             rd_ready,
    input  wire [NUM_PORTS*32-1:0]          rd_addr,
    input  wire [NUM_PORTS-1:0]             rd_keep,
    input  wire [NUM_PORTS-1:0]             rd_fetch,
    output wire [NUM_PORTS-1:0]             rsp_valid,
    output wire [NUM_PORTS*LINE_W-1:0]      rsp_data,
    // memory
    output wire                             fill_valid,
    input  wire                             fill_ready,
    output wire [31:0]                      fill_addr,
    input  wire                             fill_rsp_valid,
    input  wire [LINE_W-1:0]                fill_rsp_data,
    // errors and events, a cycle later
    output reg                              err_pointer,
    output reg  [31:0]                      err_addr,
    output reg  [$clog2(NUM_PORTS+1)-1:0]   ev_hits,
    output reg  [$clog2(NUM_PORTS+1)-1:0]   ev_misses,
    output reg  [$clog2(NUM_PORTS+1)-1:0]   ev_fetches
);

    localparam integer LINE_B  = $clog2(LINE_W / 8);
    localparam integer LINE_AW = 32 - LINE_B;
    localparam integer BANK_B  = $clog2(NUM_BANKS);
    localparam integer BANK_W  = NUM_BANKS > 1 ? BANK_B : 1;
    localparam integer SET_W   = $clog2(NUM_SETS);
    localparam integer WAY_W   = NUM_WAYS > 1 ? $clog2(NUM_WAYS) : 1;
    localparam integer PORT_W  = NUM_PORTS > 1 ? $clog2(NUM_PORTS) : 1;
    localparam integer CNT_W   = $clog2(NUM_PORTS + 1);

    generate
        if (NUM_PORTS < 2 || NUM_PORTS > 65) begin : gen_illegal_ports
            loas_fiber_cache_NUM_PORTS_must_be_2_to_65 rule_inst ();
        end
        if (LINE_W < 128 || LINE_W > 2048 || LINE_W != 1 << $clog2(LINE_W)) begin : gen_illegal_line
            loas_fiber_cache_LINE_W_must_be_a_power_of_two_128_to_2048 rule_inst ();
        end
        if (NUM_BANKS < 1 || NUM_BANKS > 64 || NUM_BANKS != 1 << BANK_B) begin : gen_illegal_banks
            loas_fiber_cache_NUM_BANKS_must_be_a_power_of_two_1_to_64 rule_inst ();
        end
        if (NUM_WAYS < 1 || NUM_WAYS > 16 || NUM_WAYS != 1 << $clog2(NUM_WAYS)) begin : gen_illegal_ways
            loas_fiber_cache_NUM_WAYS_must_be_a_power_of_two_1_to_16 rule_inst ();
        end
        if (NUM_SETS < 2 || NUM_SETS > 4096 || NUM_SETS != 1 << SET_W) begin : gen_illegal_sets
            loas_fiber_cache_NUM_SETS_must_be_a_power_of_two_2_to_4096 rule_inst ();
        end
        if (OUTSTANDING < 2 || OUTSTANDING > 64
            || OUTSTANDING != 1 << $clog2(OUTSTANDING)) begin : gen_illegal_outstanding
            loas_fiber_cache_OUTSTANDING_must_be_a_power_of_two_2_to_64 rule_inst ();
        end
    endgenerate

    // ---- state of the ports
    reg [NUM_PORTS-1:0]        lookup_reg;    // its look-up is being compared
    reg [NUM_PORTS-1:0]        fetch_reg;     // that look-up is a fetch
    reg [NUM_PORTS*BANK_W-1:0] bank_reg;      // the bank of its latest look-up
    reg [NUM_PORTS-1:0]        seen_reg;      // looked up before and not answered: a miss
    reg [NUM_PORTS-1:0]        sleep_reg;     // does not ask its bank
    reg [NUM_PORTS-1:0]        claim_reg;     // waits for the line in claim_way_reg
    reg [NUM_PORTS*WAY_W-1:0]  claim_way_reg;
    reg [NUM_PORTS-1:0]        no_room_reg;   // waits for room in its bank
    reg [NUM_PORTS-1:0]        dead_reg;      // asked for a line outside the image
    reg [NUM_PORTS-1:0]        rsp_valid_reg;
    reg [NUM_PORTS*BANK_W-1:0] rsp_bank_reg;
    reg [PORT_W-1:0]           elder_reg;     // if it waits for room, others in its bank may not take any
    reg                        elder_waits_reg;

    // ---- requests to banks
    wire [NUM_PORTS*LINE_AW-1:0] req_line;
    wire [NUM_PORTS-1:0]         req_valid = rd_valid & ~lookup_reg & ~sleep_reg & ~dead_reg;
    wire [NUM_PORTS-1:0]         take;
    wire [NUM_PORTS*BANK_W-1:0]  req_bank;
    wire [NUM_BANKS-1:0]         lk_valid;
    wire [NUM_BANKS*LINE_AW-1:0] lk_line;
    reg  [NUM_BANKS-1:0]         lk_keep, lk_read, lk_claimed;
    reg  [NUM_BANKS-1:0]         s1_claimed_reg;

    wire [NUM_BANKS-1:0]         res_hit, res_on_way, res_no_room, res_outside, res_alloc, res_read;
    wire [NUM_BANKS*WAY_W-1:0]   res_way;
    wire [NUM_BANKS*LINE_W-1:0]  bank_data;

    wire [NUM_BANKS-1:0]         miss_valid, miss_ready;
    wire [NUM_BANKS*LINE_AW-1:0] miss_line;
    wire [NUM_BANKS*WAY_W-1:0]   miss_way;

    wire                         dst_valid, dst_drop;
    wire [BANK_W-1:0]            dst_bank;
    wire [SET_W-1:0]             dst_set;
    wire [WAY_W-1:0]             dst_way;
    reg  [NUM_BANKS-1:0]         fill_bank;

    wire              elder_waits   = no_room_reg[elder_reg];
    wire              elder_release = elder_waits_reg && !elder_waits;
    wire [BANK_W-1:0] elder_bank    = bank_reg[elder_reg*BANK_W +: BANK_W];
    reg  [NUM_BANKS-1:0] alloc_block;

    // a bank in which something changed that a port without room may be waiting for; DEEP: its line is on its way now
    wire [NUM_BANKS-1:0] room_event = fill_bank | (miss_valid & miss_ready) | (res_hit & s1_claimed_reg)
                                    | (DEEP != 0 ? res_alloc : {NUM_BANKS{1'b0}});
    wire [NUM_BANKS-1:0] hold;

    loas_crossbar #(.NUM_PORTS(NUM_PORTS), .NUM_BANKS(NUM_BANKS), .LINE_AW(LINE_AW), .DEEP(DEEP)) crossbar_inst (
        .clk(clk), .rst(rst),
        .req_valid(req_valid), .req_line(req_line), .take(take), .req_bank(req_bank),
        .hold(hold), .lk_valid(lk_valid), .lk_line(lk_line)
    );

    always @* begin : attributes
        integer p;
        p = 0;
        lk_keep    = {NUM_BANKS{1'b0}};
        lk_read    = {NUM_BANKS{1'b0}};
        lk_claimed = {NUM_BANKS{1'b0}};
        for (p = 0; p < NUM_PORTS; p = p + 1)
            if (take[p]) begin
                if (rd_keep[p])   lk_keep[req_bank[p*BANK_W +: BANK_W]]    = 1'b1;
                if (!rd_fetch[p]) lk_read[req_bank[p*BANK_W +: BANK_W]]    = 1'b1;
                if (claim_reg[p]) lk_claimed[req_bank[p*BANK_W +: BANK_W]] = 1'b1;
            end
    end

    always @* begin : per_bank
        fill_bank   = {NUM_BANKS{1'b0}};
        alloc_block = {NUM_BANKS{1'b0}};
        if (dst_valid) fill_bank[dst_bank] = 1'b1;
        if (elder_waits && !lookup_reg[elder_reg]) alloc_block[elder_bank] = 1'b1;
    end

    genvar b, q;
    generate
        for (b = 0; b < NUM_BANKS; b = b + 1) begin : gen_bank
            loas_cache_bank #(
                .NUM_PORTS(NUM_PORTS), .LINE_W(LINE_W), .LINE_AW(LINE_AW), .BANK_B(BANK_B),
                .NUM_WAYS(NUM_WAYS), .NUM_SETS(NUM_SETS), .DEEP(DEEP)
            ) bank_inst (
                .clk(clk), .rst(rst), .invalidate(invalidate), .num_lines(image_size[31:LINE_B]),
                .lk_valid(lk_valid[b]), .lk_line(lk_line[b*LINE_AW +: LINE_AW]),
                .lk_keep(lk_keep[b]), .lk_read(lk_read[b]),
                .res_hit(res_hit[b]), .res_on_way(res_on_way[b]), .res_no_room(res_no_room[b]),
                .res_outside(res_outside[b]), .res_alloc(res_alloc[b]), .res_read(res_read[b]),
                .hold(hold[b]),
                .res_way(res_way[b*WAY_W +: WAY_W]),
                .rd_data(bank_data[b*LINE_W +: LINE_W]),
                .claim(claim_reg), .claim_line(req_line), .claim_way(claim_way_reg), .alloc_block(alloc_block[b]),
                .miss_valid(miss_valid[b]), .miss_ready(miss_ready[b]),
                .miss_line(miss_line[b*LINE_AW +: LINE_AW]), .miss_way(miss_way[b*WAY_W +: WAY_W]),
                .fill_valid(fill_bank[b]), .fill_set(dst_set), .fill_way(dst_way), .fill_drop(dst_drop),
                .fill_data(fill_rsp_data)
            );
        end
        for (q = 0; q < NUM_PORTS; q = q + 1) begin : gen_port
            assign req_line[q*LINE_AW +: LINE_AW] = rd_addr[q*32+LINE_B +: LINE_AW];
            wire [LINE_W-1:0] line = bank_data[rsp_bank_reg[q*BANK_W +: BANK_W]*LINE_W +: LINE_W];
            if (DEEP != 0) begin : gen_deep
                reg              late_reg;
                reg [LINE_W-1:0] line_reg;
                assign rsp_valid[q] = late_reg;
                assign rsp_data[q*LINE_W +: LINE_W] = line_reg;
                always @(posedge clk) begin
                    late_reg <= rsp_valid_reg[q];
                    line_reg <= line;
                    if (rst) late_reg <= 1'b0;
                end
            end else begin : gen_direct
                assign rsp_valid[q] = rsp_valid_reg[q];
                assign rsp_data[q*LINE_W +: LINE_W] = line;
            end
        end
    endgenerate

    loas_cache_fill #(
        .LINE_AW(LINE_AW), .LINE_B(LINE_B), .NUM_BANKS(NUM_BANKS), .SET_W(SET_W), .WAY_W(WAY_W),
        .OUTSTANDING(OUTSTANDING)
    ) fill_inst (
        .clk(clk), .rst(rst), .invalidate(invalidate),
        .miss_valid(miss_valid), .miss_ready(miss_ready), .miss_line(miss_line), .miss_way(miss_way),
        .fill_valid(fill_valid), .fill_ready(fill_ready), .fill_addr(fill_addr), .fill_rsp_valid(fill_rsp_valid),
        .dst_valid(dst_valid), .dst_bank(dst_bank), .dst_set(dst_set), .dst_way(dst_way), .dst_drop(dst_drop)
    );

    always @* begin : answers
        integer p;
        p = 0;
        rd_ready = {NUM_PORTS{1'b0}};
        for (p = 0; p < NUM_PORTS; p = p + 1)
            rd_ready[p] = lookup_reg[p] && (res_hit[bank_reg[p*BANK_W +: BANK_W]]
                || (fetch_reg[p] && (res_on_way[bank_reg[p*BANK_W +: BANK_W]]
                                 || (DEEP != 0 && res_no_room[bank_reg[p*BANK_W +: BANK_W]]))));
    end

    // ---- the ports
    always @(posedge clk) begin : ports
        integer p;
        lookup_reg    <= take;
        rsp_valid_reg <= rd_ready & ~fetch_reg;
        for (p = 0; p < NUM_PORTS; p = p + 1) begin
            if (take[p]) begin
                fetch_reg[p] <= rd_fetch[p];
                bank_reg[p*BANK_W +: BANK_W] <= req_bank[p*BANK_W +: BANK_W];
            end
            if (lookup_reg[p]) begin
                rsp_bank_reg[p*BANK_W +: BANK_W] <= bank_reg[p*BANK_W +: BANK_W];
                if (rd_ready[p]) begin
                    seen_reg[p]    <= 1'b0;
                    claim_reg[p]   <= 1'b0;
                    no_room_reg[p] <= 1'b0;
                end else if (res_outside[bank_reg[p*BANK_W +: BANK_W]]) begin
                    dead_reg[p]    <= 1'b1;
                end else if (res_on_way[bank_reg[p*BANK_W +: BANK_W]]) begin
                    seen_reg[p]    <= 1'b1;
                    claim_reg[p]   <= 1'b1;
                    claim_way_reg[p*WAY_W +: WAY_W] <= res_way[bank_reg[p*BANK_W +: BANK_W]*WAY_W +: WAY_W];
                    no_room_reg[p] <= 1'b0;
                    sleep_reg[p]   <= !(fill_bank[bank_reg[p*BANK_W +: BANK_W]]
                        && dst_set == req_line[p*LINE_AW+BANK_B +: SET_W]
                        && dst_way == res_way[bank_reg[p*BANK_W +: BANK_W]*WAY_W +: WAY_W]);
                end else begin
                    seen_reg[p]    <= 1'b1;
                    claim_reg[p]   <= 1'b0;
                    no_room_reg[p] <= 1'b1;
                    // DEEP: with another miss in hand this one was not looked at
                    sleep_reg[p]   <= !room_event[bank_reg[p*BANK_W +: BANK_W]]
                        && !(DEEP != 0 && hold[bank_reg[p*BANK_W +: BANK_W]]);
                end
            end else if (sleep_reg[p]) begin
                if (claim_reg[p] ? fill_bank[bank_reg[p*BANK_W +: BANK_W]]
                                   && dst_set == req_line[p*LINE_AW+BANK_B +: SET_W]
                                   && dst_way == claim_way_reg[p*WAY_W +: WAY_W]
                                 : room_event[bank_reg[p*BANK_W +: BANK_W]] || elder_release)
                    sleep_reg[p] <= 1'b0;
            end
        end
        elder_waits_reg <= elder_waits;
        if (!elder_waits) elder_reg <= {{(32-PORT_W){1'b0}}, elder_reg} == NUM_PORTS - 1
            ? {PORT_W{1'b0}} : elder_reg + {{(PORT_W-1){1'b0}}, 1'b1};
        s1_claimed_reg <= lk_claimed;
        if (rst) begin
            lookup_reg      <= {NUM_PORTS{1'b0}};
            seen_reg        <= {NUM_PORTS{1'b0}};
            sleep_reg       <= {NUM_PORTS{1'b0}};
            claim_reg       <= {NUM_PORTS{1'b0}};
            no_room_reg     <= {NUM_PORTS{1'b0}};
            dead_reg        <= {NUM_PORTS{1'b0}};
            rsp_valid_reg   <= {NUM_PORTS{1'b0}};
            elder_reg       <= {PORT_W{1'b0}};
            elder_waits_reg <= 1'b0;
            s1_claimed_reg  <= {NUM_BANKS{1'b0}};
        end
    end

    // ---- errors and events
    wire [CNT_W-1:0] hits, misses;
    reg  [CNT_W-1:0] fetches;

    loas_popcount #(.W(NUM_PORTS)) hits_inst   (.in(rd_ready & ~fetch_reg & ~seen_reg), .count(hits));
    loas_popcount #(.W(NUM_PORTS)) misses_inst (.in(rd_ready & ~fetch_reg & seen_reg), .count(misses));

    always @* begin : fetch_count   // each allocation for a fetch accepts a port, so the sum cannot exceed NUM_PORTS
        integer k;
        k = 0;
        fetches = {CNT_W{1'b0}};
        if (|res_alloc)
            for (k = 0; k < NUM_BANKS; k = k + 1)
                fetches = fetches + {{(CNT_W-1){1'b0}}, res_alloc[k] && !res_read[k]};
    end

    always @(posedge clk) begin : report
        integer p;
        ev_hits     <= hits;
        ev_misses   <= misses;
        ev_fetches  <= fetches;
        err_pointer <= |res_outside;
        if (|res_outside)
            for (p = NUM_PORTS - 1; p >= 0; p = p - 1)
                if (lookup_reg[p] && res_outside[bank_reg[p*BANK_W +: BANK_W]]) err_addr <= rd_addr[p*32 +: 32];
        if (rst) begin
            ev_hits     <= {CNT_W{1'b0}};
            ev_misses   <= {CNT_W{1'b0}};
            ev_fetches  <= {CNT_W{1'b0}};
            err_pointer <= 1'b0;
        end
    end

    wire unused = &{1'b0, res_no_room, image_size[LINE_B-1:0]};

endmodule

`resetall
