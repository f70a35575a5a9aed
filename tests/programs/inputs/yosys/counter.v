// A counter whose upper bits shine, and a small state machine.
module top (input clk, input button, output [4:0] leds);
  parameter WIDTH = 12;
  reg [WIDTH-1:0] counter = 0;
  reg [1:0] state = 0;
  wire [WIDTH-1:0] step = state == 2'd3 ? 12'd5 : {10'd0, state};

  always @(posedge clk) begin
    counter <= counter + step;
    case (state)
      2'd0: if (button) state <= 2'd1;
      2'd1: state <= counter[3] ? 2'd2 : 2'd1;
      2'd2: state <= button ? 2'd3 : 2'd0;
      2'd3: if (!button) state <= 2'd0;
    endcase
  end

  assign leds = counter[WIDTH-1 -: 5] ^ {5{state[0]}};
endmodule
