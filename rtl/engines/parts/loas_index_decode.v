// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Makes the mask chunks of a block of weights from its index code, the string of gaps between them.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: at 98 % zeros a bitmask is four times as long as the gaps between its ones. The inner join wants bitmask
// chunks.
//
// Code: over the positions of the block, its columns one after the other, each of cfg_chunks whole chunks: a byte g <
// 255 passes over g silent positions and stands for a weight at the next one; 255 passes over 255 silent positions. The
// string has no end mark: it is over with the s_nnz-th weight, and what is behind that is silent.
//
// Contract: a block is s_cols columns; cfg_chunks is stable while blocks are inside. Its string comes at in_*, in items
// that begin at the string's first byte, in_last with the item that holds the last byte (ITEM_W is what strings are
// padded to); s_empty says that no items will come. Out: s_cols * cfg_chunks chunks, m_last with the last. The next
// block may come while chunks of the one before are still to be made; its string is then read ahead.
// Rate: a chunk takes max(1, ceil(bytes / RATE)) cycles, where bytes are those for its ones and the 255s that end in
// it, as long as items come as fast; no gap between chunks. None between blocks when the last weight is three chunks in
// front of the end, else at most three cycles. in_ready and s_ready do not depend on m_ready, m_* are registers.
// Edges: s_nnz = 0 goes with s_empty and gives silent chunks at once. err is high for a cycle when the string is over
// before s_nnz weights, or items are left after them, or a weight is behind the last chunk, or s_empty and s_nnz
// disagree; nothing sensible comes from then on until rst; err_tag is that block's s_tag. Weights in the padding of a
// column are not looked at.
//
//   in --> RATE bytes --skid--> prefix sums --> groups A, B of RATE positions --> pick RATE, compare, decode --> chunk
//
// Where things are: the first sum turns bytes into positions, so what comes after it has no chain of adders. Groups
// stay where they are: lane i works on entry i of A, or of B when A's is used up. Those are always the next RATE
// entries, in some order, and the order is of no account for an OR. So entries that are left over cost neither a cycle
// nor a shifter.
module loas_index_decode #(
    parameter integer CHUNK_W = 128,    // power of two, 32 to 512; a register of this width
    parameter integer RATE    = 4,      // bytes a cycle: 1, 2, 4 or 8; each a decoder to CHUNK_W lines
    parameter integer ITEM_W  = 128,    // power of two from 8 * RATE
    parameter integer K_MAX   = 8192
) (
    input  wire                               clk,
    input  wire                               rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,   // of a column

    input  wire                               s_valid,
    output wire                               s_ready,
    input  wire [10:0]                        s_cols,       // 1 to 1024
    input  wire [31:0]                        s_nnz,
    input  wire                               s_empty,
    input  wire [1:0]                         s_tag,

    input  wire                               in_valid,
    output wire                               in_ready,
    input  wire [ITEM_W-1:0]                  in_data,
    input  wire                               in_last,

    output wire                               m_valid,
    input  wire                               m_ready,
    output wire [CHUNK_W-1:0]                 m_data,
    output wire                               m_last,

    output reg                                err,
    output reg  [1:0]                         err_tag
);

    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer PLACE_W  = $clog2(CHUNK_W);
    localparam integer GROUP_W  = 8 * RATE;
    // Positions count modulo a lap of chunks. The chunk being made is not behind the last used entry, so that the 2 *
    // RATE entries in A and B are at most 2 * RATE * 255 positions behind its end: they are of this chunk when the
    // lap's chunk is the same.
    localparam integer AHEAD    = (2 * RATE * 255 + CHUNK_W - 1) / CHUNK_W;
    localparam integer LAP_W    = $clog2(AHEAD + 1);
    localparam integer POS_W    = LAP_W + PLACE_W;
    localparam integer ENTRY_W  = 1 + POS_W;                // {it is a weight, position}

    generate
        if (CHUNK_W < 32 || CHUNK_W > 512 || CHUNK_W != 1 << $clog2(CHUNK_W)) begin : gen_illegal_chunk
            loas_index_decode_CHUNK_W_must_be_a_power_of_two_32_to_512 rule_inst ();
        end
        if (RATE != 1 && RATE != 2 && RATE != 4 && RATE != 8) begin : gen_illegal_rate
            loas_index_decode_RATE_must_be_1_2_4_or_8 rule_inst ();
        end
        if (ITEM_W < 8 * RATE || ITEM_W != 1 << $clog2(ITEM_W)) begin : gen_illegal_item
            loas_index_decode_ITEM_W_must_be_a_power_of_two_from_8_RATE rule_inst ();
        end
        if (K_MAX < CHUNK_W) begin : gen_illegal_k_max
            loas_index_decode_K_MAX_must_be_at_least_CHUNK_W rule_inst ();
        end
    endgenerate

    // ------------------------------------------------------------------------------------------- the block being read
    reg        next_reg;        // it waits for the block before to be given out
    reg        read_reg;        // weights are missing
    reg        feed_reg;        // items are missing
    reg [31:0] left_reg;        // weights that are missing
    reg [10:0] next_cols_reg;

    wire accept = s_valid && s_ready;
    wire start;                 // its chunks begin
    wire take;                  // a group goes on to A and B
    wire string_end;            // the group holds the last weight
    wire item_end;              // the last item is used up

    assign s_ready = !next_reg && !read_reg;

    // ------------------------------------------------------------------------------------------------ items to groups
    wire               group_last;      // of its item
    wire               feed_ready;
    wire               group_valid;
    wire [GROUP_W-1:0] group;
    wire               group_of_last;   // it is of the last item
    wire               group_is_last;   // and the last of it
    wire [GROUP_W-1:0] in_group;

    // behind the string's end there may be padding, which is dropped with its item, while the next block may be
    // accepted
    wire drop = feed_reg && !read_reg;

    assign in_ready = feed_reg && ((feed_ready && group_last) || drop);
    assign item_end = in_valid && in_ready && in_last;

    generate
        if (ITEM_W == GROUP_W) begin : gen_whole
            assign group_last = 1'b1;
            assign in_group   = in_data;
        end else begin : gen_part
            reg [$clog2(ITEM_W/GROUP_W)-1:0] index_reg;
            assign group_last = &index_reg;
            assign in_group   = in_data[index_reg*GROUP_W +: GROUP_W];
            always @(posedge clk) begin
                if (in_valid && feed_reg && feed_ready) index_reg <= index_reg + 1'b1;
                if (rst || drop) index_reg <= {$clog2(ITEM_W/GROUP_W){1'b0}};
            end
        end
    endgenerate

    loas_skid #(.W(GROUP_W + 2)) group_inst (
        .clk(clk), .rst(rst || (take && string_end)),
        .s_valid(in_valid && feed_reg && !drop), .s_ready(feed_ready),
        .s_data({in_last && group_last, in_last, in_group}),
        .m_valid(group_valid), .m_ready(take), .m_data({group_is_last, group_of_last, group})
    );

    // --------------------------------------------------------------------------------------------- groups to positions
    reg  [POS_W-1:0]        base_reg;       // last position passed
    wire [POS_W-1:0]        base = start ? {POS_W{1'b1}} : base_reg;
    wire [RATE-1:0]         is_weight;
    wire [RATE-1:0]         in_string;
    wire [4*(RATE+1)-1:0]   before;         // weights of the group before each byte
    wire [3:0]              weights = before[4*RATE +: 4];
    wire [RATE*ENTRY_W-1:0] entries;
    wire                    many    = left_reg[31:3] != 29'd0 && left_reg != 32'd8;   // more than a group can hold

    // Sklansky prefix sums: level l adds the sum of the 2^l bytes on the left
    wire [POS_W*RATE*($clog2(RATE)+1)-1:0] sums;

    assign before[3:0] = 4'd0;
    assign string_end  = !many && weights >= left_reg[3:0];

    genvar i, l;
    generate
        for (i = 0; i < RATE; i = i + 1) begin : gen_byte
            wire [7:0] gap = group[8*i +: 8];
            assign is_weight[i]           = gap != 8'd255;
            assign in_string[i]           = many || before[4*i +: 4] < left_reg[3:0];
            assign before[4*(i+1) +: 4]   = before[4*i +: 4] + {3'd0, is_weight[i]};
            assign sums[POS_W*i +: POS_W] = {{(POS_W-8){1'b0}}, gap} + {{(POS_W-1){1'b0}}, is_weight[i]};
            for (l = 0; l < $clog2(RATE); l = l + 1) begin : gen_level
                if ((i >> l) % 2 == 1) begin : gen_add
                    assign sums[POS_W*(RATE*(l+1)+i) +: POS_W] =
                        sums[POS_W*(RATE*l+i) +: POS_W] + sums[POS_W*(RATE*l+((i>>l)<<l)-1) +: POS_W];
                end else begin : gen_pass
                    assign sums[POS_W*(RATE*(l+1)+i) +: POS_W] = sums[POS_W*(RATE*l+i) +: POS_W];
                end
            end
            assign entries[ENTRY_W*i +: ENTRY_W] = {is_weight[i], base + sums[POS_W*(RATE*$clog2(RATE)+i) +: POS_W]};
        end
    endgenerate

    always @(posedge clk) begin
        if (accept) begin
            next_reg      <= 1'b1;
            read_reg      <= s_nnz != 32'd0;
            feed_reg      <= !s_empty;
            left_reg      <= s_nnz;
            next_cols_reg <= s_cols;
        end else begin
            if (start) next_reg <= 1'b0;
            if (take) left_reg <= left_reg - {28'd0, weights};
            if (take && string_end) read_reg <= 1'b0;
            if (item_end || drop) feed_reg <= 1'b0;
        end
        base_reg <= take ? entries[ENTRY_W*(RATE-1) +: POS_W] : base;
        if (rst) begin
            next_reg <= 1'b0;
            read_reg <= 1'b0;
            feed_reg <= 1'b0;
        end
    end

    // --------------------------------------------------------------------------------------------- positions to chunks
    reg                      active_reg;
    reg [1:0]                next_tag_reg;    // of the block that comes next
    reg [1:0]                tag_reg;
    reg                      tail_reg;        // all of the string is in A and B
    reg [CHUNKS_W-1:0]       chunks_reg;      // of the column, in front of this one
    reg [10:0]               cols_reg;        // left, with this one
    reg [LAP_W-1:0]          chunk_reg;
    reg [RATE*ENTRY_W-1:0]   a_reg;
    reg [RATE*ENTRY_W-1:0]   b_reg;
    reg [RATE-1:0]           a_used_reg;      // used up, or none
    reg [RATE-1:0]           b_used_reg;
    reg                      valid_reg;
    reg                      last_reg;
    reg [CHUNK_W-1:0]        data_reg;        // the chunk being made, until valid_reg

    wire [RATE-1:0]         a_here;           // entries of this chunk
    wire [RATE-1:0]         b_here;
    wire [RATE-1:0]         set;              // lanes with a weight of this chunk
    wire [RATE*PLACE_W-1:0] places;
    reg  [CHUNK_W-1:0]      ones;

    wire work       = active_reg && (!valid_reg || m_ready);
    // a chunk is done when an entry of a later one is seen, or there are no more; B may hold more than the lanes can
    // take
    wire later      = |(~a_used_reg & ~a_here) || |(~b_used_reg & ~b_here) || tail_reg;
    wire done       = work && later && ~|(~a_used_reg & b_here);
    wire col_end    = chunks_reg + 1'b1 == cfg_chunks;
    wire block_end  = col_end && cols_reg == 11'd1;
    wire [RATE-1:0] a_used = a_used_reg | (a_here & {RATE{work}});
    wire [RATE-1:0] b_used = b_used_reg | (a_used_reg & b_here & {RATE{work}});
    wire shift      = &a_used;

    // of the block that is accepted, of the one whose string is read (the next one's from start on), of the one being
    // made
    wire bad_block  = accept && s_empty != (s_nnz == 32'd0);
    wire bad_string = take && (string_end ? !group_of_last : group_is_last);
    wire bad_place  = done && block_end && !(&a_used && &b_used);   // without the tail, an entry is left

    assign start = next_reg && (!active_reg || (done && block_end));
    assign take  = group_valid && read_reg && (!next_reg || start) && (shift || &b_used_reg);

    generate
        for (i = 0; i < RATE; i = i + 1) begin : gen_lane
            wire [ENTRY_W-1:0] a     = a_reg[ENTRY_W*i +: ENTRY_W];
            wire [ENTRY_W-1:0] b     = b_reg[ENTRY_W*i +: ENTRY_W];
            assign places[PLACE_W*i +: PLACE_W] = a_used_reg[i] ? b[PLACE_W-1:0] : a[PLACE_W-1:0];
            assign a_here[i] = !a_used_reg[i] && a[PLACE_W +: LAP_W] == chunk_reg;
            assign b_here[i] = !b_used_reg[i] && b[PLACE_W +: LAP_W] == chunk_reg;
            assign set[i]    = work && (a_used_reg[i] ? b_here[i] && b[POS_W] : a_here[i] && a[POS_W]);
        end
    endgenerate

    // decoders to one line each, as shifts of a one: what simulators are quick at
    localparam [CHUNK_W-1:0] ONE = 1;
    integer n;
    always @* begin
        ones = {CHUNK_W{1'b0}};
        for (n = 0; n < RATE; n = n + 1) begin
            if (set[n]) ones = ones | (ONE << places[PLACE_W*n +: PLACE_W]);
        end
    end

    assign m_valid = valid_reg;
    assign m_data  = data_reg;
    assign m_last  = last_reg;

    always @(posedge clk) begin
        a_used_reg <= shift ? b_used : a_used;
        b_used_reg <= take ? ~in_string : shift ? {RATE{1'b1}} : b_used;
        if (shift) a_reg <= b_reg;
        if (take) b_reg <= entries;

        if (done) begin
            chunk_reg  <= chunk_reg + 1'b1;
            chunks_reg <= col_end ? {CHUNKS_W{1'b0}} : chunks_reg + 1'b1;
            if (col_end) cols_reg <= cols_reg - 11'd1;
            last_reg   <= block_end;
            if (block_end) active_reg <= 1'b0;
        end
        if (take && string_end) tail_reg <= 1'b1;
        if (start) begin
            active_reg <= 1'b1;
            tail_reg   <= !read_reg || (take && string_end);
            chunks_reg <= {CHUNKS_W{1'b0}};
            cols_reg   <= next_cols_reg;
            chunk_reg  <= {LAP_W{1'b0}};
        end

        valid_reg <= done || (valid_reg && !m_ready);
        data_reg  <= (valid_reg && m_ready ? {CHUNK_W{1'b0}} : data_reg) | ones;

        if (accept) next_tag_reg <= s_tag;
        if (start) tag_reg <= next_tag_reg;
        err     <= bad_block || bad_string || bad_place;
        err_tag <= bad_place || (bad_string && !start) ? tag_reg : bad_string ? next_tag_reg : s_tag;
        if (rst) begin
            active_reg <= 1'b0;
            a_used_reg <= {RATE{1'b1}};
            b_used_reg <= {RATE{1'b1}};
            valid_reg  <= 1'b0;
            data_reg   <= {CHUNK_W{1'b0}};
            err        <= 1'b0;
        end
    end

endmodule

`resetall
