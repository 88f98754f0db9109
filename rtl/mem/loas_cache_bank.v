// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// One bank of the FiberCache: tags, line states, replacement, data, and a register for the miss it is sending.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: look up one line a cycle and keep the lines that will be needed again.
// Contract: a look-up (lk_*) is answered in the next cycle, the compare cycle, by exactly one of
//   res_hit      the line is here; if lk_read, rd_data holds it a cycle later,
//   res_on_way   it has been requested from memory, now or before (res_way says where it will be),
//   res_no_room  no way can be given up, the miss register is in use, or alloc_block is set: ask again,
//   res_outside  the line is not wholly inside the image (num_lines); never looked up again.
// A look-up given in a cycle with `hold` would read the tags while they change: the caller must not give one.
// A way that is being filled is never given up, nor one that a port holds a claim on (it waits for this very line).
// Replacement: an unused way, else the oldest of four ages. Kept lines (fibers of A) are 0; lines fetched ahead are 1
// until they are read, then 2, as are those brought by a read: of a stream, what was used goes before what is to come.
// A victim younger than 3 makes the rest of its set older, but lines of age 0 or 1 only every third time (counted for
// each set), so that kept lines outlive a long scan and dead ones still leave. With DEEP a miss is answered
// res_no_room, and what it needs is found and done in the cycle behind; then res_alloc is high, and the look-up that is
// tried again finds the line on its way. Ages are updated in that cycle too, from what they were in the compare cycle.
// One miss at a time: `hold` is high with it.
// Edges: NUM_WAYS = 1 is a direct mapped bank. rst or invalidate drop all lines in one cycle (states are flip-flops);
// after invalidate, fills on their way are marked by fill_drop and leave their line unused.
module loas_cache_bank #(
    parameter integer NUM_PORTS = 17,    // claims to look through when a victim is chosen
    parameter integer LINE_W    = 1024,  // bits of a line
    parameter integer LINE_AW   = 25,    // bits of a line address (32 - log2 of the bytes of a line)
    parameter integer BANK_B    = 4,     // low line address bits that choose the bank
    parameter integer NUM_WAYS  = 16,    // tags compared at once; 2 flip-flops a line
    parameter integer NUM_SETS  = 8,
    // 1: a cycle between the tags and what becomes of a miss, for the slow wires of an FPGA
    parameter integer DEEP      = 0
) (
    input  wire                                                   clk,
    input  wire                                                   rst,
    input  wire                                                   invalidate,
    input  wire [LINE_AW-1:0]                                     num_lines,
    // look-up
    input  wire                                                   lk_valid,
    input  wire [LINE_AW-1:0]                                     lk_line,
    input  wire                                                   lk_keep,     // some asking port wants it kept
    input  wire                                                   lk_read,     // some asking port reads (not fetches)
    // answer, in the compare cycle
    output reg                                                    res_hit,
    output reg                                                    res_on_way,
    output reg                                                    res_no_room,
    output reg                                                    res_outside,
    // res_on_way because of this look-up (DEEP: of the last)
    output reg                                                    res_alloc,
    // lk_read of the look-up that res_alloc is about
    output wire                                                   res_read,
    output wire                                                   hold,
    output reg  [(NUM_WAYS > 1 ? $clog2(NUM_WAYS) : 1)-1:0]       res_way,
    output wire [LINE_W-1:0]                                      rd_data,     // a cycle after res_hit
    // what must not be evicted or allocated
    input  wire [NUM_PORTS-1:0]                                   claim,
    input  wire [NUM_PORTS*LINE_AW-1:0]                           claim_line,
    input  wire [NUM_PORTS*(NUM_WAYS > 1 ? $clog2(NUM_WAYS) : 1)-1:0] claim_way,
    input  wire                                                   alloc_block,
    // the miss being sent to memory
    output wire                                                   miss_valid,
    input  wire                                                   miss_ready,
    output wire [LINE_AW-1:0]                                     miss_line,
    output wire [(NUM_WAYS > 1 ? $clog2(NUM_WAYS) : 1)-1:0]       miss_way,
    // lines from memory
    input  wire                                                   fill_valid,
    input  wire [$clog2(NUM_SETS)-1:0]                            fill_set,
    input  wire [(NUM_WAYS > 1 ? $clog2(NUM_WAYS) : 1)-1:0]       fill_way,
    input  wire                                                   fill_drop,
    input  wire [LINE_W-1:0]                                      fill_data
);

    localparam integer SET_W  = $clog2(NUM_SETS);
    localparam integer WAY_B  = $clog2(NUM_WAYS);
    localparam integer WAY_W  = NUM_WAYS > 1 ? WAY_B : 1;
    localparam integer IDX_W  = BANK_B + SET_W;
    localparam integer TAG_W  = LINE_AW - IDX_W;
    localparam integer ADDR_W = SET_W + WAY_B;
    localparam integer LINES  = NUM_SETS * NUM_WAYS;

    reg               s1_valid_reg;
    reg [LINE_AW-1:0] s1_line_reg;
    reg               s1_keep_reg, s1_read_reg;

    reg [LINES-1:0]   valid_reg;
    reg [LINES-1:0]   pending_reg;
    // the two bits of the ages of a set, in RAM: nothing reads those of a line that has not been brought since rst
    reg [NUM_WAYS-1:0] age_hi_mem [0:NUM_SETS-1];
    reg [NUM_WAYS-1:0] age_lo_mem [0:NUM_SETS-1];
    // of each set 0 to 2: lines of age 0 and 1 grow older when it is 2
    reg [1:0]          slow_mem   [0:NUM_SETS-1];
    reg [NUM_SETS-1:0] slow_known_reg;           // since rst; 0 otherwise

    reg               miss_valid_reg;
    reg [LINE_AW-1:0] miss_line_reg;
    reg [WAY_W-1:0]   miss_way_reg;

    wire [SET_W-1:0]  s1_set = s1_line_reg[BANK_B +: SET_W];
    wire [TAG_W-1:0]  s1_tag = s1_line_reg[IDX_W +: TAG_W];
    wire [1:0]        slow   = slow_known_reg[s1_set] ? slow_mem[s1_set] : 2'd0;

    wire [NUM_WAYS*TAG_W-1:0] tags;
    reg  [NUM_WAYS*TAG_W-1:0] tags_next;

    // the look-up that res_alloc and the ages are about
    wire                 up_valid, up_found, up_keep, up_read, up_block;
    wire [LINE_AW-1:0]   up_line;
    wire [NUM_WAYS-1:0]  up_match, up_valid_row, up_pending_row, up_hi, up_lo;
    wire [1:0]           up_slow;
    wire [NUM_WAYS*TAG_W-1:0] up_tags;
    wire [SET_W-1:0]     up_set = up_line[BANK_B +: SET_W];
    reg  [WAY_W-1:0]     alloc_way;

    wire [SET_W+WAY_W-1:0] res_full  = {s1_set, res_way};
    wire [SET_W+WAY_W-1:0] fill_full = {fill_set, fill_way};
    wire [SET_W+WAY_W-1:0] row_full  = {s1_set, {WAY_W{1'b0}}};
    wire [ADDR_W-1:0]      s1_row    = row_full[WAY_W-WAY_B +: ADDR_W];   // first line of the set
    wire [ADDR_W-1:0]      res_addr  = res_full[WAY_W-WAY_B +: ADDR_W];
    wire [ADDR_W-1:0]      fill_addr = fill_full[WAY_W-WAY_B +: ADDR_W];

    assign res_read   = up_read;
    assign miss_valid = miss_valid_reg;
    assign miss_line  = miss_line_reg;
    assign miss_way   = miss_way_reg;

    reg [NUM_WAYS-1:0]   valid_row, pending_row, match, found, pinned, age_hi, age_lo, able, pool, chosen;
    reg                  inside, here, coming;
    reg [NUM_WAYS-1:0]   hi_next, lo_next, older;
    reg                  age_write, ageing;

    wire [NUM_WAYS-1:0] hi_here = age_hi_mem[s1_set];
    wire [NUM_WAYS-1:0] lo_here = age_lo_mem[s1_set];

    // Nothing below is evaluated when no look-up is being compared, and the victim only on a miss.
    always @* begin : compare
        integer w;
        w = 0;
        inside      = 1'b0;
        here        = 1'b0;
        coming      = 1'b0;
        res_outside = 1'b0;
        valid_row   = {NUM_WAYS{1'b0}};
        pending_row = {NUM_WAYS{1'b0}};
        match       = {NUM_WAYS{1'b0}};
        found       = {NUM_WAYS{1'b0}};
        age_hi      = {NUM_WAYS{1'b0}};
        age_lo      = {NUM_WAYS{1'b0}};
        if (s1_valid_reg) begin
            if (s1_line_reg >= num_lines) begin
                res_outside = 1'b1;
            end else begin
                inside      = 1'b1;
                valid_row   = valid_reg[s1_row +: NUM_WAYS];
                pending_row = pending_reg[s1_row +: NUM_WAYS];
                age_hi      = hi_here;
                age_lo      = lo_here;
                for (w = 0; w < NUM_WAYS; w = w + 1) match[w] = tags[w*TAG_W +: TAG_W] == s1_tag;
                found       = match & (valid_row | pending_row);
                here        = |(match & valid_row);
                coming      = |(match & pending_row);
            end
        end
    end

    always @* begin : update
        integer w, p;
        w = 0;
        p = 0;
        res_alloc   = 1'b0;
        alloc_way   = {WAY_W{1'b0}};
        pinned      = {NUM_WAYS{1'b0}};
        able        = {NUM_WAYS{1'b0}};
        pool        = {NUM_WAYS{1'b0}};
        chosen      = {NUM_WAYS{1'b0}};
        hi_next     = {NUM_WAYS{1'b0}};
        lo_next     = {NUM_WAYS{1'b0}};
        older       = {NUM_WAYS{1'b0}};
        age_write   = 1'b0;
        ageing      = 1'b0;
        tags_next   = {NUM_WAYS*TAG_W{1'b0}};
        if (up_valid) begin
            hi_next = up_hi;
            lo_next = up_lo;
            chosen  = up_match;
            if (!up_found) begin
                for (p = 0; p < NUM_PORTS; p = p + 1)
                    if (claim[p] && claim_line[p*LINE_AW +: IDX_W] == up_line[IDX_W-1:0])
                        pinned[claim_way[p*WAY_W +: WAY_W]] = 1'b1;
                able = up_valid_row & ~pinned;
                if (~&(up_valid_row | up_pending_row)) pool = ~(up_valid_row | up_pending_row);
                else if (|(able & up_hi & up_lo)) pool = able & up_hi & up_lo;
                else if (|(able & up_hi))         pool = able & up_hi;
                else if (|(able & up_lo))         pool = able & up_lo;
                else                              pool = able;
                chosen      = pool & (~pool + {{(NUM_WAYS-1){1'b0}}, 1'b1});   // its lowest one
                res_alloc   = |pool && !miss_valid_reg && !up_block;
                age_write   = res_alloc;
                ageing      = |(chosen & up_valid_row & ~(up_hi & up_lo));
                // the others by one, then the new line at its own age
                older    = ageing ? ~chosen & ~(up_hi & up_lo) & (up_hi | {NUM_WAYS{up_slow == 2'd2}})
                                  : {NUM_WAYS{1'b0}};
                hi_next  = (up_hi ^ (older & up_lo)) & ~chosen;
                lo_next  = (up_lo ^ older) & ~chosen;
                if (!up_keep) begin
                    if (up_read) hi_next = hi_next | chosen;
                    else         lo_next = lo_next | chosen;
                end
            end else begin
                age_write = 1'b1;
                if (up_keep) begin
                    hi_next = up_hi & ~chosen;
                    lo_next = up_lo & ~chosen;
                end else if (up_read) begin
                    hi_next = up_hi | (chosen & up_lo);   // 0 stays: another port keeps it
                    lo_next = up_lo & ~chosen;
                end else begin
                    hi_next = up_hi & ~chosen;
                    lo_next = up_lo | (chosen & up_hi);
                end
            end
            for (w = 0; w < NUM_WAYS; w = w + 1) if (chosen[w]) alloc_way = alloc_way | w[WAY_W-1:0];
            tags_next = up_tags;
            tags_next[alloc_way*TAG_W +: TAG_W] = up_line[IDX_W +: TAG_W];
        end
    end

    generate
        if (DEEP != 0) begin : gen_deep
            reg                       valid2_reg, found2_reg, keep2_reg, read2_reg, block2_reg;
            reg [LINE_AW-1:0]         line2_reg;
            reg [NUM_WAYS-1:0]        match2_reg, valid2_row_reg, pending2_row_reg, hi2_reg, lo2_reg;
            reg [1:0]                 slow2_reg;
            reg [NUM_WAYS*TAG_W-1:0]  tags2_reg;
            reg                       miss2_reg;
            wire miss = inside && !here && !coming;
            always @(posedge clk) begin
                // a second miss is tried again, and a hit in its place does not write the ages that the first one does
                valid2_reg <= inside && !miss2_reg;
                miss2_reg  <= miss && !miss2_reg;
                found2_reg <= here || coming;
                keep2_reg  <= s1_keep_reg;
                read2_reg  <= s1_read_reg;
                block2_reg <= alloc_block;
                line2_reg  <= s1_line_reg;
                match2_reg <= found;
                valid2_row_reg   <= valid_row;
                pending2_row_reg <= pending_row;
                hi2_reg    <= age_hi;
                lo2_reg    <= age_lo;
                slow2_reg  <= slow;
                tags2_reg  <= tags;
                if (rst) begin
                    valid2_reg <= 1'b0;
                    miss2_reg  <= 1'b0;
                end
            end
            assign up_valid       = valid2_reg;
            assign up_found       = found2_reg;
            assign up_keep        = keep2_reg;
            assign up_read        = read2_reg;
            assign up_block       = block2_reg;
            assign up_line        = line2_reg;
            assign up_match       = match2_reg;
            assign up_valid_row   = valid2_row_reg;
            assign up_pending_row = pending2_row_reg;
            assign up_hi          = hi2_reg;
            assign up_lo          = lo2_reg;
            assign up_slow        = slow2_reg;
            assign up_tags        = tags2_reg;
            assign hold           = miss2_reg;
        end else begin : gen_same_cycle
            assign up_valid       = inside;
            assign up_found       = here || coming;
            assign up_keep        = s1_keep_reg;
            assign up_read        = s1_read_reg;
            assign up_block       = alloc_block;
            assign up_line        = s1_line_reg;
            assign up_match       = found;
            assign up_valid_row   = valid_row;
            assign up_pending_row = pending_row;
            assign up_hi          = age_hi;
            assign up_lo          = age_lo;
            assign up_slow        = slow;
            assign up_tags        = tags;
            assign hold           = res_alloc;
        end
    endgenerate

    always @* begin : answer
        integer w;
        w = 0;
        res_hit     = here;
        res_on_way  = coming || (DEEP == 0 && res_alloc);
        res_no_room = inside && !res_hit && !res_on_way;
        res_way     = DEEP == 0 ? alloc_way : {WAY_W{1'b0}};
        if (DEEP != 0)
            for (w = 0; w < NUM_WAYS; w = w + 1) if (found[w]) res_way = res_way | w[WAY_W-1:0];
    end

    wire [NUM_SETS-1:0] alloc_set  = {{(NUM_SETS-1){1'b0}}, res_alloc} << up_set;
    wire [NUM_SETS-1:0] filled_set = {{(NUM_SETS-1){1'b0}}, fill_valid} << fill_set;
    wire [NUM_WAYS-1:0] filled_way;
    generate
        if (NUM_WAYS > 1) begin : gen_filled
            assign filled_way = {{(NUM_WAYS-1){1'b0}}, 1'b1} << fill_way;
        end else begin : gen_filled_one
            assign filled_way = 1'b1;
        end
    endgenerate

    integer l;
    always @(posedge clk) begin
        s1_valid_reg <= lk_valid;
        if (lk_valid) begin
            s1_line_reg <= lk_line;
            s1_keep_reg <= lk_keep;
            s1_read_reg <= lk_read;
        end
        if (age_write) begin
            age_hi_mem[up_set] <= hi_next;
            age_lo_mem[up_set] <= lo_next;
        end
        if (miss_ready) miss_valid_reg <= 1'b0;
        if (res_alloc) begin
            miss_valid_reg        <= 1'b1;
            miss_line_reg         <= up_line;
            miss_way_reg          <= alloc_way;
            if (ageing) begin
                slow_mem[up_set]       <= up_slow == 2'd2 ? 2'd0 : up_slow + 2'd1;
                slow_known_reg <= slow_known_reg | alloc_set;
            end
        end
        // by decoders: synthesis makes shifters of a bit that is addressed
        if (res_alloc || fill_valid)
            for (l = 0; l < LINES; l = l + 1) begin
                if (alloc_set[l/NUM_WAYS] && chosen[l%NUM_WAYS]) begin
                    valid_reg[l]   <= 1'b0;
                    pending_reg[l] <= 1'b1;
                end
                if (filled_set[l/NUM_WAYS] && filled_way[l%NUM_WAYS]) begin
                    pending_reg[l] <= 1'b0;
                    valid_reg[l]   <= !fill_drop;
                end
            end
        // in two steps: tools warn of counts above 8192
        if (rst || invalidate) valid_reg <= {NUM_SETS{{NUM_WAYS{1'b0}}}};
        if (rst) begin
            s1_valid_reg   <= 1'b0;
            miss_valid_reg <= 1'b0;
            pending_reg    <= {NUM_SETS{{NUM_WAYS{1'b0}}}};
            slow_known_reg <= {NUM_SETS{1'b0}};
        end
    end

    wire unused = &{1'b0, row_full, res_full, fill_full};   // their lowest bit when NUM_WAYS = 1

    // The row of tags that was just compared is written back with the new tag in its place: no write mask needed.
    loas_ram #(.W(NUM_WAYS*TAG_W), .DEPTH(NUM_SETS)) tag_inst (
        .clk(clk),
        .wr_en(res_alloc), .wr_addr(up_set), .wr_data(tags_next),
        .rd_en(lk_valid), .rd_addr(lk_line[BANK_B +: SET_W]), .rd_data(tags)
    );

    loas_ram #(.W(LINE_W), .DEPTH(LINES)) data_inst (
        .clk(clk),
        .wr_en(fill_valid), .wr_addr(fill_addr), .wr_data(fill_data),
        .rd_en(res_hit && s1_read_reg), .rd_addr(res_addr), .rd_data(rd_data)
    );

endmodule

`resetall
