// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Compaction: moves the kept words of a slice together at the low end, in order.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: combinational; packed word j = the j-th kept word, zero from word `count` on. It is a prefix sum turned
// around: a kept word has to move down by the number of dropped words below it. Stage s moves by 2^s those words whose
// distance has bit s set, smallest step first, so that no two words ever meet. Bit s of all distances at once is a
// prefix parity of the dropped places (those counted an odd number of times); the dropped places of even parity are
// what is left for the next stage. So the control is vectors of SLICE_W bits, without one adder.
module loas_compact_slice #(
    parameter integer SLICE_W = 16,   // words of a slice, any from 1
    parameter integer WORD_W  = 4
) (
    input  wire [SLICE_W*WORD_W-1:0]       words,
    input  wire [SLICE_W-1:0]              keep,
    output wire [SLICE_W*WORD_W-1:0]       packed_words,
    output wire [$clog2(SLICE_W+1)-1:0]    count
);

    localparam integer STAGES = $clog2(SLICE_W);  // the longest way is SLICE_W - 1

    loas_popcount #(.W(SLICE_W)) count_inst (.in(keep), .count(count));

    genvar s, k;
    generate
        if (SLICE_W < 1 || WORD_W < 1) begin : gen_illegal
            loas_compact_slice_SLICE_W_and_WORD_W_must_be_at_least_1 rule_inst ();
        end

        // stage s: the words it got and who of them moves; the last one (s = STAGES) only gets
        for (s = 0; s <= STAGES; s = s + 1) begin : gen_stage
            wire [SLICE_W*WORD_W-1:0] data;   // zero in places without a word
            if (s == 0) begin : gen_in
                for (k = 0; k < SLICE_W; k = k + 1) begin : gen_word
                    assign data[k*WORD_W +: WORD_W] = words[k*WORD_W +: WORD_W] & {WORD_W{keep[k]}};
                end
            end else begin : gen_move
                wire [SLICE_W*WORD_W-1:0] stays;
                wire [SLICE_W*WORD_W-1:0] moves;
                for (k = 0; k < SLICE_W; k = k + 1) begin : gen_word
                    assign moves[k*WORD_W +: WORD_W] = gen_stage[s-1].data[k*WORD_W +: WORD_W]
                                                     & {WORD_W{gen_stage[s-1].gen_ctrl.move[k]}};
                end
                assign stays = gen_stage[s-1].data ^ moves;
                assign data  = stays | (moves >> (WORD_W << (s - 1)));
            end
            if (s < STAGES) begin : gen_ctrl
                wire [SLICE_W-1:0] kept;     // places that hold a word
                wire [SLICE_W-1:0] holes;    // holes to count: place k stands for one below it
                wire [SLICE_W-1:0] odd;      // parity of the holes up to each place
                wire [SLICE_W-1:0] move = kept & odd;
                if (s == 0) begin : gen_first
                    assign kept  = keep;
                    assign holes = ~keep << 1;
                end else begin : gen_next
                    assign kept  = (gen_stage[s-1].gen_ctrl.kept ^ gen_stage[s-1].gen_ctrl.move)
                                 | (gen_stage[s-1].gen_ctrl.move >> (1 << (s - 1)));
                    assign holes = gen_stage[s-1].gen_ctrl.holes & ~gen_stage[s-1].gen_ctrl.odd;
                end
                for (k = 0; k <= STAGES; k = k + 1) begin : gen_parity
                    wire [SLICE_W-1:0] sum;
                    if (k == 0) begin : gen_holes
                        assign sum = holes;
                    end else begin : gen_xor
                        assign sum = gen_parity[k-1].sum ^ (gen_parity[k-1].sum << (1 << (k - 1)));
                    end
                end
                assign odd = gen_parity[STAGES].sum;
            end
        end
    endgenerate

    assign packed_words = gen_stage[STAGES].data;

endmodule

`resetall
